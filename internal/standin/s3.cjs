// Drives the bucket of `lambdapool local` with the JavaScript SDK: see s3.sh.
const assert = require("node:assert");
const crypto = require("node:crypto");
const { Readable } = require("node:stream");
const { version } = require("@aws-sdk/client-s3/package.json");
const c = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");
const { createPresignedPost } = require("@aws-sdk/s3-presigned-post");

const [endpoint, Bucket] = process.argv.slice(2);
const s3 = new c.S3Client({ endpoint, region: "us-east-1", forcePathStyle: true });

async function refused(code, command) {
  await assert.rejects(s3.send(command), (e) => e.name === code || e.Code === code || assert.fail(`${e.name}: ${e.message}, want ${code}`));
}

async function main() {
  console.log("== @aws-sdk/client-s3", version);
  await s3.send(new c.CreateBucketCommand({ Bucket }));
  const get = async (Key, more) => Buffer.from(await (await s3.send(new c.GetObjectCommand({ Bucket, Key, ...more }))).Body.transformToByteArray());
  const large = crypto.randomBytes(20_000_000);
  await new Upload({ client: s3, params: { Bucket, Key: "large", Body: Readable.from(large), Metadata: { "some-key": "v" } } }).done();
  assert.ok(large.equals(await get("large")));
  assert.ok(large.subarray(5, 10).equals(await get("large", { Range: "bytes=5-9" })));
  // A stream of known length: chunks and a trailer.
  for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"]) {
    await s3.send(new c.PutObjectCommand({ Bucket, Key: "streamed", Body: Readable.from([large.subarray(0, 100_000), large.subarray(100_000, 200_000)]), ContentLength: 200_000, ChecksumAlgorithm }));
    assert.ok(large.subarray(0, 200_000).equals(await get("streamed", { ChecksumMode: "ENABLED" })));
  }
  const head = await s3.send(new c.HeadObjectCommand({ Bucket, Key: "large", ChecksumMode: "ENABLED" }));
  assert.deepStrictEqual(head.Metadata, { "some-key": "v" });
  await refused("PreconditionFailed", new c.PutObjectCommand({ Bucket, Key: "large", Body: "x", IfNoneMatch: "*" }));
  await refused("BadDigest", new c.PutObjectCommand({ Bucket, Key: "wrong", Body: "x", ChecksumCRC32: "AAAAAA==" }));
  await refused("NotImplemented", new c.PutObjectLegalHoldCommand({ Bucket, Key: "large", LegalHold: { Status: "ON" } }));
  await refused("NoSuchKey", new c.GetObjectCommand({ Bucket, Key: "wrong" }));
  // It signs the checksum of nothing into the link's query, where S3 ignores it.
  const put = await getSignedUrl(s3, new c.PutObjectCommand({ Bucket, Key: "linked" }), { expiresIn: 60 });
  const said = await fetch(put, { method: "PUT", body: "linked" });
  assert.strictEqual(said.status, 200, await said.text());
  const link = await getSignedUrl(s3, new c.GetObjectCommand({ Bucket, Key: "linked", ResponseContentType: "text/x-y" }), { expiresIn: 60 });
  const got = await fetch(link);
  assert.strictEqual(await got.text(), "linked");
  assert.strictEqual(got.headers.get("content-type"), "text/x-y");
  const { url, fields } = await createPresignedPost(s3, { Bucket, Key: "form/${filename}", Conditions: [["content-length-range", 0, 10]], Expires: 60 });
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", new Blob(["file"]), "n");
  const posted = await fetch(url, { method: "POST", body: form });
  assert.strictEqual(posted.status, 204, await posted.text());
  assert.strictEqual((await get("form/n")).toString(), "file");
  const { Contents } = await s3.send(new c.ListObjectsV2Command({ Bucket }));
  await s3.send(new c.DeleteObjectsCommand({ Bucket, Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } }));
  await s3.send(new c.DeleteBucketCommand({ Bucket }));
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
