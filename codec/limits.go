package codec

// What AWS Lambda carries in one invocation, in bytes. Nothing here enforces it: backends and
// agents compare before they send, since AWS's own answers come late or cost an environment.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, 2026-11.
const (
	// MaxRequest is the largest payload of a synchronous invocation. One byte more
	// is answered with 413 RequestEntityTooLargeException. The "6 MB" of the Lambda
	// quotas page, measured to the byte in 2026-11.
	MaxRequest = 6_291_456

	// MaxReply is the largest reply of a synchronous invocation. One byte more ends in
	// Function.ResponseSizeTooLarge and the loss of the environment. Measured in 2026-11.
	MaxReply = 6_291_556

	// MaxEventRequest is the largest payload of an asynchronous (Event) invocation:
	// the "1 MB" of the Lambda quotas page, since 2025-10.
	MaxEventRequest = 1_048_576

	// MaxRequestFrame is the largest frame that fits into MaxRequest: base64 with its
	// padding makes four bytes of three, and JSON adds two quotes.
	MaxRequestFrame = (MaxRequest - 2) / 4 * 3
)

// What this package accepts, whoever sent it. A client and an agent of one version have the same
// bounds, so what one encodes the other decodes.
const (
	// MaxDepth is how many slices, maps, structs and arrays may lie inside each other,
	// when encoding and when decoding. A linked list of more elements cannot travel: use a
	// slice.
	MaxDepth = 1000

	// MaxItems is how many items one request or reply may hold. It is far more than is useful:
	// the executor makes smaller chunks.
	MaxItems = 1 << 20

	// MaxEncoded is the largest encoding of one call's values, and the largest frame,
	// in bytes.
	MaxEncoded = 1 << 30

	// MaxStored is the largest frame that is read from an object store, in bytes, and
	// the most that a compressed one may become.
	MaxStored = MaxEncoded

	// MaxExpansion bounds the memory that decoding allocates: at most this many bytes
	// for each byte of input, and 64 KiB on top, before the allocator rounds up.
	// Ordinary values need far less. The worst of them, maps with a single entry of
	// 128 bytes, come to about 150.
	MaxExpansion = 256

	// MaxDecompressed is how large a compressed frame may become, in bytes. It may
	// also not become more than MaxExpansion times as large as it was.
	MaxDecompressed = 256 << 20
)

// CompressFrom is the size in bytes from which compressing a payload, where it is wanted, pays
// for itself in both sides' time alone, network aside. Below, base64 and copying what
// compression would save cost less. Measured in 2026-11 with records that shrink twentyfold.
// Data that does not shrink costs a fifth more.
//
// It is a piece of advice, and [Compress] does not look at it. Over a slow network compressing
// smaller payloads pays, too.
const CompressFrom = 16 << 10

// expansionSlack lets a message of a few bytes fill a struct of some kilobytes.
const expansionSlack = 64 << 10
