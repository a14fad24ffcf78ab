package local

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// A codeInput is where the code of a function comes from.
type codeInput struct {
	ZipFile  []byte  `json:"ZipFile"`
	S3Bucket *string `json:"S3Bucket"`
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

func (c *call) createFunction() (any, *apiError) {
	var in createFunctionInput
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	id, refused := identify(in.FunctionName, "", c.name)
	switch {
	case refused != nil:
		return nil, refused
	case id.qualifier != "" || id.region != c.name || id.account != account || !functionName.MatchString(id.name):
		return nil, errValidation("functionName", in.FunctionName, "Member must be a name of at most 64 letters, digits, hyphens and underscores, in this region and account")
	case in.PackageType != "" && in.PackageType != "Zip":
		return nil, errInvalidParameter("lambdapool: local: package type " + in.PackageType + ": only Zip runs here")
	case in.Runtime == nil || in.Handler == nil:
		return nil, errInvalidParameter("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	s := settings{
		name: id.name, memory: minMemory, timeout: 3, ephemeral: minEphemeral, arch: machineArch(), tracing: "PassThrough",
		logging: loggingConfig{LogFormat: "Text", LogGroup: "/aws/lambda/" + id.name},
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
	if refused := c.server.iam.assumable(s.role); refused != nil {
		return nil, refused
	}
	if c.exists(id.name) { // before the work of unpacking
		return nil, errConflict("Function already exist: " + id.name)
	}
	if s.code, refused = c.unpack(&in.Code); refused != nil {
		return nil, refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.functions[id.name] != nil { // meanwhile
		c.server.codes.release(s.code)
		return nil, errConflict("Function already exist: " + id.name)
	}
	if refused := c.room(s.code); refused != nil {
		c.server.codes.release(s.code)
		return nil, refused
	}
	f := &resource{
		arn: id.arn(), tags: map[string]string{}, latest: c.newVersion(s, true), aliases: map[string]*alias{},
		events: map[string]*eventInvokeConfig{},
		quota:  &quota{account: c.account, reserved: -1},
	}
	maps.Copy(f.tags, in.Tags)
	c.functions[id.name] = f
	if in.Publish {
		v := c.publish(f, nil)
		return v.underWay(f.arn + ":" + v.number), nil
	}
	return f.latest.underWay(f.arn), nil
}

func (c *call) exists(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.functions[name] != nil
}

// unpack takes the code of a request.
func (c *call) unpack(in *codeInput) (*code, *apiError) {
	switch {
	case in.ImageURI != nil:
		return nil, errInvalidParameter("lambdapool: local: ImageUri: only zips run here")
	case in.S3Bucket != nil:
		return nil, errInvalidParameter("lambdapool: local: S3Bucket: there is no S3 here (send the code as ZipFile)")
	case in.ZipFile == nil:
		return nil, errInvalidParameter("Please provide a source for function code.")
	}
	return c.server.codes.unpack(in.ZipFile)
}

// room refuses code that is one too much. The region's lock is held.
func (g *regional) room(more *code) *apiError {
	if used := g.stored(); used+more.size > g.server.codes.limit {
		return &apiError{
			status: http.StatusBadRequest, code: "CodeStorageExceededException",
			message: fmt.Sprintf("Code storage limit exceeded. (%d of %d bytes are used, and %d more asked for)", used, g.server.codes.limit, more.size),
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

func checkArchitectures(said []string) *apiError {
	switch {
	case len(said) == 0:
		return nil
	case len(said) > 1 || said[0] != archX86 && said[0] != archARM:
		return errValidation("architectures", strings.Join(said, ", "), "Member must satisfy constraint: one of [x86_64, arm64]")
	case said[0] != machineArch():
		return errInvalidParameter(fmt.Sprintf("lambdapool: local: architecture %s: this machine runs %s (build the code for that, and create the function with it)", said[0], machineArch()))
	}
	return nil
}

func (c *call) getFunction() (any, *apiError) {
	f, v, arn, refused := c.named()
	defer c.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	answer := map[string]any{
		"Configuration": v.withState(arn),
		"Code":          map[string]string{"RepositoryType": "S3"}, // without a Location: there is no S3
	}
	if len(f.tags) > 0 {
		answer["Tags"] = maps.Clone(f.tags)
	}
	if n := f.quota.reservation(); n >= 0 {
		answer["Concurrency"] = map[string]int{"ReservedConcurrentExecutions": n}
	}
	return answer, nil
}

func (c *call) getFunctionConfiguration() (any, *apiError) {
	_, v, arn, refused := c.named()
	defer c.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	return v.withState(arn), nil
}

// named takes the region's lock, which its caller releases, and returns the
// version that the request names, with the ARN to call it by.
func (c *call) named() (*resource, *version, string, *apiError) {
	c.mu.Lock()
	id, refused := c.id()
	if refused != nil {
		return nil, nil, "", refused
	}
	f, v, refused := c.version(id)
	return f, v, id.arn(), refused
}

func (c *call) listFunctions() (any, *apiError) {
	p, refused := c.paging()
	if refused != nil {
		return nil, refused
	}
	which := c.r.URL.Query().Get("FunctionVersion")
	if which != "" && which != "ALL" {
		return nil, errValidation("functionVersion", which, "Member must satisfy enum value set: [ALL]")
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

func (c *call) deleteFunction() (any, *apiError) {
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
	case id.qualifier == "":
		delete(c.functions, id.name)
		f.quota.reserve(-1)
		for _, v := range f.versions() {
			c.discard(v)
		}
		return nil, nil
	case id.qualifier == latest:
		return nil, errInvalidParameter("$LATEST version cannot be deleted without deleting the function.")
	case f.aliases[id.qualifier] != nil:
		return nil, errInvalidParameter("Alias cannot be deleted by this operation: use DeleteAlias for " + id.qualifier)
	}
	for _, a := range f.aliases {
		if _, weighted := a.weights[v.number]; weighted || a.version == v.number {
			return nil, errConflict("Version " + v.number + " is currently referenced by alias " + a.name + ".")
		}
	}
	delete(f.events, v.number)
	f.published = slices.DeleteFunc(f.published, func(p *version) bool { return p == v })
	c.discard(v)
	return nil, nil
}
