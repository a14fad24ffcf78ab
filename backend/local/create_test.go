package local_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool/backend/local"
)

func TestCreateFunctionRefuses(t *testing.T) {
	t.Parallel()
	c := serve(t)
	c.create(t, newFunction("taken", script("one")))
	other := map[string]types.Architecture{"amd64": types.ArchitectureArm64, "arm64": types.ArchitectureX8664}[runtime.GOARCH]
	const (
		parameter  = "InvalidParameterValueException"
		validation = "ValidationException"
	)
	for what, test := range map[string]struct {
		change     func(*lambda.CreateFunctionInput)
		code, text string
	}{
		"name taken":        {func(in *lambda.CreateFunctionInput) { in.FunctionName = aws.String("taken") }, "ResourceConflictException", "Function already exist: taken"},
		"name too long":     {func(in *lambda.CreateFunctionInput) { in.FunctionName = aws.String(strings.Repeat("x", 65)) }, validation, "functionName"},
		"name of a version": {func(in *lambda.CreateFunctionInput) { in.FunctionName = aws.String("a:1") }, validation, "functionName"},
		"no role":           {func(in *lambda.CreateFunctionInput) { in.Role = aws.String(roleARN + "x") }, parameter, "cannot be assumed by Lambda"},
		"bad role":          {func(in *lambda.CreateFunctionInput) { in.Role = aws.String("agent") }, validation, "'role'"},
		"memory too small":  {func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(127) }, validation, "Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
		"memory too large":  {func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(10_241) }, validation, "less than or equal to 10240"},
		"timeout zero":      {func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(0) }, validation, "greater than or equal to 1"},
		"timeout too long":  {func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(901) }, validation, "less than or equal to 900"},
		"storage too small": {func(in *lambda.CreateFunctionInput) {
			in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(511)}
		}, validation, "512"},
		"storage too large": {func(in *lambda.CreateFunctionInput) {
			in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(10_241)}
		}, validation, "10240"},
		"description": {func(in *lambda.CreateFunctionInput) { in.Description = aws.String(strings.Repeat("x", 257)) }, validation, "'description'"},
		"six layers":  {func(in *lambda.CreateFunctionInput) { in.Layers = make([]string, 6) }, parameter, "cannot reference more than 5 layers"},
		"bad layer":   {func(in *lambda.CreateFunctionInput) { in.Layers = []string{"x"} }, validation, "'layers'"},
		"log group": {func(in *lambda.CreateFunctionInput) {
			in.LoggingConfig = &types.LoggingConfig{LogGroup: aws.String("a b")}
		}, validation, "logGroup"},
		"log format":        {func(in *lambda.CreateFunctionInput) { in.LoggingConfig = &types.LoggingConfig{LogFormat: "XML"} }, validation, "logFormat"},
		"reserved variable": {func(in *lambda.CreateFunctionInput) { in.Environment = variables("AWS_REGION", "x") }, parameter, "Reserved keys used in this request: AWS_REGION"},
		"bad variable":      {func(in *lambda.CreateFunctionInput) { in.Environment = variables("1x", "x") }, validation, "environment.variables"},
		"large environment": {func(in *lambda.CreateFunctionInput) { in.Environment = variables("AB", strings.Repeat("x", 4088)) }, parameter, "exceeded the 4KB limit. Measured: 4097 bytes"},
		"runtime":           {func(in *lambda.CreateFunctionInput) { in.Runtime = types.RuntimePython312 }, parameter, "only OS-only runtimes run here"},
		"no handler":        {func(in *lambda.CreateFunctionInput) { in.Handler = nil }, parameter, "Runtime and Handler are mandatory"},
		"image":             {func(in *lambda.CreateFunctionInput) { in.PackageType = types.PackageTypeImage }, parameter, "only Zip runs here"},
		"S3": {func(in *lambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("b"), S3Key: aws.String("k")}
		}, parameter, "there is no S3 here"},
		"no code":            {func(in *lambda.CreateFunctionInput) { in.Code = &types.FunctionCode{} }, parameter, "Please provide a source for function code"},
		"other architecture": {func(in *lambda.CreateFunctionInput) { in.Architectures = []types.Architecture{other} }, parameter, "this machine runs"},
		"no architecture":    {func(in *lambda.CreateFunctionInput) { in.Architectures = []types.Architecture{"mips"} }, validation, "'architectures'"},
		"SnapStart": {func(in *lambda.CreateFunctionInput) {
			in.SnapStart = &types.SnapStart{ApplyOn: types.SnapStartApplyOnPublishedVersions}
		}, parameter, "not supported for SnapStart"},
		"tags": {func(in *lambda.CreateFunctionInput) { in.Tags = map[string]string{"aws:x": "y"} }, parameter, "reserved prefix"},
	} {
		in := newFunction("demo", script("one"))
		test.change(in)
		_, err := c.CreateFunction(t.Context(), in)
		t.Run(what, func(t *testing.T) { refused(t, err, test.code, test.text) })
	}
	// The largest of everything is fine.
	in := newFunction("demo", script("one"))
	in.MemorySize, in.Timeout, in.EphemeralStorage = aws.Int32(10_240), aws.Int32(900), &types.EphemeralStorage{Size: aws.Int32(10_240)}
	in.Environment, in.Description = variables("AB", strings.Repeat("x", 4087)), aws.String(strings.Repeat("ü", 256))
	c.create(t, in)
}

func variables(name, value string) *types.Environment {
	return &types.Environment{Variables: map[string]string{name: value}}
}

func TestZipsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := serve(t)
	program := entry{"bootstrap", "#!/bin/sh\n", 0o755}
	for what, test := range map[string]struct {
		zip        []byte
		code, text string
	}{
		"no zip":           {[]byte("no zip"), "InvalidParameterValueException", "Could not unzip uploaded file"},
		"empty":            {[]byte{}, "InvalidParameterValueException", "non-empty zip"},
		"bad sum":          {badSum(), "InvalidParameterValueException", "Could not unzip uploaded file"},
		"climbs":           {zipped(program, entry{"../evil", "", 0o644}), "InvalidParameterValueException", "must stay inside"},
		"climbs later":     {zipped(program, entry{"a/../../evil", "", 0o644}), "InvalidParameterValueException", "must stay inside"},
		"absolute":         {zipped(program, entry{"/etc/evil", "", 0o644}), "InvalidParameterValueException", "must stay inside"},
		"backslash":        {zipped(program, entry{`..\evil`, "", 0o644}), "InvalidParameterValueException", "must stay inside"},
		"link":             {zipped(program, entry{"link", "/etc/passwd", 0o777 | os.ModeSymlink}), "InvalidParameterValueException", "neither a file nor a directory"},
		"twice":            {zipped(program, program), "InvalidParameterValueException", "Could not unzip uploaded file"},
		"no bootstrap":     {zipped(entry{"bin/bootstrap", "", 0o755}), "InvalidParameterValueException", "no file bootstrap at its root"},
		"not executable":   {zipped(entry{"bootstrap", "", 0o644}), "InvalidParameterValueException", "mode 0644 and is not executable"},
		"unpacks too much": {tooMuch(), "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes"},
		"another machine":  {zipped(entry{"bootstrap", string(foreignProgram()), 0o755}), "InvalidParameterValueException", "bootstrap is built for linux/EM_RISCV and this machine is " + runtime.GOOS + "/" + runtime.GOARCH},
		"large":            {make([]byte, 50<<20+1), "RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes"},
		"too large":        {make([]byte, 51<<20), "RequestEntityTooLargeException", "Request must be smaller than 70167211 bytes for the CreateFunction operation"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := c.CreateFunction(t.Context(), newFunction("demo", test.zip))
			refused(t, err, test.code, test.text)
		})
	}
}

// badSum is a zip whose content is not what it was.
func badSum() []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Store}
	header.SetMode(0o755)
	must(must(w.CreateHeader(header)).Write([]byte("#!/bin/sh\n")))
	if err := w.Close(); err != nil {
		panic(err)
	}
	data := b.Bytes()
	data[bytes.Index(data, []byte("#!/bin/sh"))] = '%'
	return data
}

// tooMuch is a zip that says of 251 MB that they are in it.
func tooMuch() []byte {
	data := zipped(entry{"bootstrap", "#!/bin/sh\n", 0o755})
	directory := bytes.LastIndex(data, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(data[directory+24:], 251<<20)
	return data
}

// foreignProgram is the header of a program for a machine that Lambda does not have.
func foreignProgram() []byte {
	h := make([]byte, 64)
	copy(h, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(h[16:], 2)    // executable
	binary.LittleEndian.PutUint16(h[18:], 0xf3) // RISC-V
	binary.LittleEndian.PutUint32(h[20:], 1)
	binary.LittleEndian.PutUint16(h[52:], 64)
	return h
}

func TestCodeStorage(t *testing.T) {
	t.Parallel()
	size := int64(len(script("one")))
	c := serve(t, local.WithCodeStorage(2*size))
	in := newFunction("demo", script("one"))
	in.Publish = true // takes its size twice
	c.create(t, in)
	_, err := c.CreateFunction(t.Context(), newFunction("more", script("one")))
	refused(t, err, "CodeStorageExceededException", "Code storage limit exceeded")
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("1")}); err != nil {
		t.Fatal(err)
	}
	c.create(t, newFunction("more", script("one")))
}

// The files of a zip are where the program finds them.
func TestFilesBesideTheProgram(t *testing.T) {
	t.Parallel()
	c := serve(t)
	c.create(t, handlerFunction("demo"))
	_, got := c.call(t, "demo", `{"do":"read","text":"data/greeting.txt"}`)
	if got != `"hello"` {
		t.Errorf("got %s", got)
	}
}
