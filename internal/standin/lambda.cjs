// Drives the embedded Lambda with the JavaScript SDK: see run.sh. Arguments: endpoint, zip of an agent.
const assert = require("node:assert");
const fs = require("node:fs");
const { version } = require("@aws-sdk/client-lambda/package.json");
const c = require("@aws-sdk/client-lambda");

const [endpoint, code] = process.argv.slice(2);
const lambda = new c.LambdaClient({ endpoint, region: "us-east-1", maxAttempts: 1 });

async function refused(code, command) {
  await assert.rejects(lambda.send(command), (e) => e.name === code || assert.fail(`${e.name}: ${e.message}, want ${code}`));
}

async function main() {
  console.log("== @aws-sdk/client-lambda", version);
  const FunctionName = "js";
  const ZipFile = fs.readFileSync(code);
  const Role = process.env.STANDIN_ROLE;
  const made = await lambda.send(new c.CreateFunctionCommand({ FunctionName, Role, Runtime: "provided.al2023", Handler: "bootstrap", Code: { ZipFile }, MemorySize: 512, Timeout: 30 }));
  assert.strictEqual(made.State, "Pending");
  await c.waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }, { FunctionName });
  await refused("ResourceConflictException", new c.CreateFunctionCommand({ FunctionName, Role, Runtime: "provided.al2023", Handler: "bootstrap", Code: { ZipFile } }));
  const out = await lambda.send(new c.InvokeCommand({ FunctionName, Payload: JSON.stringify("x"), LogType: "Tail" }));
  assert.strictEqual(out.StatusCode, 200);
  assert.match(Buffer.from(out.LogResult, "base64").toString(), /REPORT RequestId/);
  await refused("ResourceNotFoundException", new c.InvokeCommand({ FunctionName: "none" }));
  await refused("InvalidRequestContentException", new c.InvokeCommand({ FunctionName, Payload: Buffer.from("no JSON") }));
  const { EventStream } = await lambda.send(new c.InvokeWithResponseStreamCommand({ FunctionName, Payload: JSON.stringify("x") }));
  const kinds = [];
  for await (const event of EventStream) kinds.push(Object.keys(event)[0]);
  assert.deepStrictEqual([kinds[0], kinds.at(-1)], ["PayloadChunk", "InvokeComplete"]);
  await refused("UnknownOperationException", new c.ListFunctionUrlConfigsCommand({ FunctionName }));
  await lambda.send(new c.DeleteFunctionCommand({ FunctionName }));
  await refused("ResourceNotFoundException", new c.GetFunctionCommand({ FunctionName }));
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
