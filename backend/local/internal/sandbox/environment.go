package sandbox

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/isolate"
)

const (
	// Marker says to the agent, and to whatever it starts, that it is one.
	Marker = "LAMBDAPOOL_LOCAL_AGENT"
	// envLifeline tells the agent which file reports EOF when this process is gone.
	envLifeline = isolate.Lifeline
	lifelineFD  = "3"
)

// taskRoot is where an agent finds itself: as on Lambda, next to the program,
// so that a relative path that works here works there.
func (c *Spec) taskRoot() string {
	path := c.Binary
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return os.TempDir()
		}
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return os.TempDir() // `go run` has removed it
	}
	return dir
}

// environment is all that an agent gets to see: what Lambda sets
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html),
// what ties it to this process, and what the user adds.
func (c *Spec) environment(id, stream, dir string) []string {
	env := map[string]string{
		"PATH":                            "/usr/local/bin:/usr/bin:/bin",
		"LANG":                            "en_US.UTF-8",
		"TZ":                              ":UTC",
		"HOME":                            os.TempDir(), // not the user's, where credentials live
		"TMPDIR":                          os.TempDir(),
		"_HANDLER":                        "bootstrap",
		"LAMBDA_TASK_ROOT":                dir,
		"LAMBDA_RUNTIME_DIR":              dir,
		"AWS_REGION":                      c.Region,
		"AWS_DEFAULT_REGION":              c.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        c.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     c.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(c.Memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       cmp.Or(c.LogGroup, "/aws/lambda/"+c.Name),
		"AWS_LAMBDA_LOG_STREAM_NAME":      stream,
		"AWS_LAMBDA_RUNTIME_API":          c.Address + "/e/" + id,
		Marker:                            "1",
		envLifeline:                       lifelineFD,
		isolate.Variable:                  isolation(c.Isolation),
	}
	if build := c.Build(); build != "" {
		env[agentmain.BuildVariable] = build
	}
	if !slices.ContainsFunc(otherCredentials, func(name string) bool { return c.Env[name] != "" }) {
		env["AWS_ACCESS_KEY_ID"] = c.Credentials.AccessKeyID
		env["AWS_SECRET_ACCESS_KEY"] = c.Credentials.SecretAccessKey
		env["AWS_SESSION_TOKEN"] = c.Credentials.SessionToken
		env["AWS_ENDPOINT_URL"] = "http://" + c.Address // nobody else knows them
	}
	maps.Copy(env, c.Env)
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

// otherCredentials are the variables that lead agents to other credentials than their
// role's, which most SDKs would take first.
var otherCredentials = []string{"AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"}

func isolation(on bool) string {
	if on {
		return isolate.On
	}
	return isolate.Off
}
