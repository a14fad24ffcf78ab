package controlplane

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// A codeInput is where the code of a function comes from.
type codeInput struct {
	ZipFile  []byte  `json:"ZipFile"`
	S3Bucket *string `json:"S3Bucket"`
	S3Key    *string `json:"S3Key"`
	S3Mode   *string `json:"S3ObjectStorageMode"`
	S3Object *string `json:"S3ObjectVersion"`
	ImageURI *string `json:"ImageUri"`
}

type createFunctionInput struct {
	configuration

	FunctionName  string            `json:"FunctionName"`
	Code          codeInput         `json:"Code"`
	Architectures []string          `json:"Architectures"`
	PackageType   string            `json:"PackageType"`
	Tags          map[string]string `json:"Tags"`
	Publish       bool              `json:"Publish"`
}

func (c *call) createFunction() (any, *wire.Refusal) {
	var in createFunctionInput
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	id, refused := wire.Identify(in.FunctionName, "", c.name)
	switch {
	case refused != nil:
		return nil, refused
	case id.Qualifier != "" || id.Region != c.name || id.Account != wire.Account || !service.Name.MatchString(id.Name):
		return nil, wire.Validation("functionName", in.FunctionName, "Member must be a name of at most 64 letters, digits, hyphens and underscores, in this region and account")
	case in.PackageType != "" && in.PackageType != "Zip":
		return nil, wire.InvalidParameter("lambdapool: local: package type " + in.PackageType + ": only Zip runs here")
	case in.Runtime == nil || in.Handler == nil:
		return nil, wire.InvalidParameter("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	s := settings{
		name: id.Name, memory: service.MinMemory, timeout: 3, ephemeral: minEphemeral, arch: machineArch(), tracing: "PassThrough",
		logging: loggingConfig{LogFormat: "Text", LogGroup: "/aws/lambda/" + id.Name},
	}
	if s, refused = in.apply(s); refused != nil {
		return nil, refused
	}
	if refused := checkArchitectures(in.Architectures); refused != nil {
		return nil, refused
	}
	if refused := checkTags(in.Tags); refused != nil {
		return nil, refused
	}
	if refused := c.needs(&s); refused != nil {
		return nil, refused
	}
	if c.exists(id.Name) { // before the work of unpacking
		return nil, wire.Conflict("Function already exist: " + id.Name)
	}
	if s.code, refused = c.unpack(&in.Code); refused != nil {
		return nil, refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.functions[id.Name] != nil { // meanwhile
		c.lambda.codes.release(s.code)
		return nil, wire.Conflict("Function already exist: " + id.Name)
	}
	if refused := c.room(s.code); refused != nil {
		c.lambda.codes.release(s.code)
		return nil, refused
	}
	f := &resource{
		arn: id.ARN(), tags: map[string]string{}, latest: c.newVersion(s, true), aliases: map[string]*alias{},
		events: map[string]*eventInvokeConfig{},
		quota:  c.account.Quota(), starts: c.lambda.cfg.Law.Starts(),
	}
	maps.Copy(f.tags, in.Tags)
	c.functions[id.Name] = f
	if in.Publish {
		v := c.publish(f, nil)
		return v.underWay(f.arn + ":" + v.number), nil
	}
	return f.latest.underWay(f.arn), nil
}

// needs refuses settings whose role or layers are not there.
func (c *call) needs(s *settings) *wire.Refusal {
	if refused := c.lambda.iam.Assumable(s.role); refused != nil {
		return refused
	}
	return c.haveLayers(s.layers)
}

func (c *call) exists(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.functions[name] != nil
}

// unpack takes the code of a request.
func (c *call) unpack(in *codeInput) (*code, *wire.Refusal) {
	if in.ImageURI != nil {
		return nil, wire.InvalidParameter("lambdapool: local: ImageUri: only zips run here")
	}
	data, refused := c.zipOf(in)
	if refused != nil {
		return nil, refused
	}
	return c.lambda.codes.unpack(data)
}

// zipOf returns the zip that a request brings, or says where it is.
func (c *call) zipOf(in *codeInput) ([]byte, *wire.Refusal) {
	switch {
	case in.ZipFile != nil && in.S3Bucket != nil:
		return nil, wire.InvalidParameter("Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case in.ZipFile != nil:
		return in.ZipFile, nil
	case in.S3Bucket == nil || in.S3Key == nil:
		return nil, wire.InvalidParameter("Please provide a source for function code.")
	case c.lambda.cfg.Fetch == nil:
		return nil, wire.InvalidParameter("lambdapool: local: S3Bucket: there is no S3 here (send the code as ZipFile)")
	case in.S3Mode != nil && *in.S3Mode != "COPY" && *in.S3Mode != "REFERENCE":
		return nil, wire.Validation("code.s3ObjectStorageMode", *in.S3Mode, "Member must satisfy enum value set: [COPY, REFERENCE]")
	case in.S3Object != nil:
		return nil, wire.InvalidParameter("lambdapool: local: S3ObjectVersion: objects have no versions here")
	}
	data, err := c.lambda.cfg.Fetch(c.r.Context(), *in.S3Bucket, *in.S3Key)
	if err != nil {
		return nil, wire.InvalidParameter("Error occurred while GetObject. (" + *in.S3Bucket + "/" + *in.S3Key + ": " + err.Error() + ")")
	}
	return data, nil
}

// room refuses code that is one too much. The region's lock is held.
func (g *regional) room(more *code) *wire.Refusal {
	if used := g.stored(); used+more.size > g.lambda.codes.limit {
		return &wire.Refusal{
			Status: http.StatusBadRequest, Code: "CodeStorageExceededException",
			Message: fmt.Sprintf("Code storage limit exceeded. (%d of %d bytes are used, and %d more asked for)", used, g.lambda.codes.limit, more.size),
		}
	}
	return nil
}

// stored counts the bytes of all versions' zips. The region's lock is held.
func (g *regional) stored() int64 {
	var n int64
	for _, f := range g.functions {
		n += f.latest.settings.code.size
		for _, v := range f.published {
			n += v.settings.code.size
		}
	}
	return n
}

func checkArchitectures(said []string) *wire.Refusal {
	switch {
	case len(said) == 0:
		return nil
	case len(said) > 1 || said[0] != archX86 && said[0] != archARM:
		return wire.Validation("architectures", strings.Join(said, ", "), "Member must satisfy constraint: one of [x86_64, arm64]")
	case said[0] != machineArch():
		return wire.InvalidParameter(fmt.Sprintf("lambdapool: local: architecture %s: this machine runs %s (build the code for that, and create the function with it)", said[0], machineArch()))
	}
	return nil
}

func (c *call) getFunction() (any, *wire.Refusal) {
	f, v, arn, refused := c.named()
	defer c.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	answer := map[string]any{
		"Configuration": v.withState(arn),
		"Code":          map[string]string{"RepositoryType": "S3", "Location": "http://" + c.lambda.cfg.Environments.Address + "/lambdapool-code/" + v.settings.code.link},
	}
	if len(f.tags) > 0 {
		answer["Tags"] = maps.Clone(f.tags)
	}
	if n := f.quota.Reservation(); n >= 0 {
		answer["Concurrency"] = map[string]int{"ReservedConcurrentExecutions": n}
	}
	return answer, nil
}

func (c *call) getFunctionConfiguration() (any, *wire.Refusal) {
	_, v, arn, refused := c.named()
	defer c.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	return v.withState(arn), nil
}

// named takes the region's lock, which its caller releases, and returns the
// version that the request names, with the ARN to call it by.
func (c *call) named() (*resource, *version, string, *wire.Refusal) {
	c.mu.Lock()
	id, refused := c.id()
	if refused != nil {
		return nil, nil, "", refused
	}
	f, v, refused := c.version(id)
	return f, v, id.ARN(), refused
}

func (c *call) listFunctions() (any, *wire.Refusal) {
	p, refused := c.paging()
	if refused != nil {
		return nil, refused
	}
	which := c.r.URL.Query().Get("FunctionVersion")
	if which != "" && which != "ALL" {
		return nil, wire.Validation("functionVersion", which, "Member must satisfy enum value set: [ALL]")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []*functionConfiguration{}
	for _, name := range slices.Sorted(maps.Keys(c.functions)) {
		f := c.functions[name]
		if which == "" {
			all = append(all, f.latest.describe(f.arn))
			continue
		}
		for _, v := range f.versions() {
			all = append(all, v.describe(f.arn+":"+v.number))
		}
	}
	functions, next := page(p, all, func(c *functionConfiguration) string { return c.FunctionName + " " + versionKey(c.Version) })
	return struct {
		Functions  []*functionConfiguration `json:"Functions"`
		NextMarker *string                  `json:"NextMarker,omitempty"`
	}{functions, next}, nil
}

// versions returns the latest and then what was published, oldest first.
func (f *resource) versions() []*version {
	return append([]*version{f.latest}, f.published...)
}

func (c *call) deleteFunction() (any, *wire.Refusal) {
	id, refused := c.id()
	if refused != nil {
		return nil, refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, v, refused := c.version(id)
	switch {
	case refused != nil:
		return nil, refused
	case id.Qualifier == "":
		delete(c.functions, id.Name)
		f.quota.Reserve(-1)
		for _, v := range f.versions() {
			c.discard(v)
		}
		return nil, nil
	case id.Qualifier == wire.Latest:
		return nil, wire.InvalidParameter("$LATEST version cannot be deleted without deleting the function.")
	case f.aliases[id.Qualifier] != nil:
		return nil, wire.InvalidParameter("Alias cannot be deleted by this operation: use DeleteAlias for " + id.Qualifier)
	}
	for _, a := range f.aliases {
		if _, weighted := a.weights[v.number]; weighted || a.version == v.number {
			return nil, wire.Conflict("Version " + v.number + " is currently referenced by alias " + a.name + ".")
		}
	}
	delete(f.events, v.number)
	f.published = slices.DeleteFunc(f.published, func(p *version) bool { return p == v })
	c.discard(v)
	return nil, nil
}
