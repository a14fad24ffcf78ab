package controlplane

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lambdapool/lambdapool/backend/local/internal/logs"
	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// settings are what a version is configured to. They are replaced, never changed.
type settings struct {
	name        string
	code        *code
	role        string
	runtime     string
	handler     string
	description string
	memory      int // MB
	timeout     int // s
	environment map[string]string
	layers      []string
	ephemeral   int // MB
	logging     loggingConfig
	arch        string
	kmsKey      string
	tracing     string
	vpc         json.RawMessage // kept and returned, not acted upon
	deadLetter  json.RawMessage // neither
}

// same says that publishing other would make no difference to s.
func (s settings) same(other *settings) bool {
	o := *other
	if s.code.sha256 != o.code.sha256 {
		return false
	}
	s.code, o.code = nil, nil
	s.description, o.description = "", "" // a version may have its own
	return reflect.DeepEqual(s, o)
}

type loggingConfig struct {
	LogFormat           string `json:"LogFormat"`
	ApplicationLogLevel string `json:"ApplicationLogLevel,omitempty"`
	SystemLogLevel      string `json:"SystemLogLevel,omitempty"`
	LogGroup            string `json:"LogGroup"`
}

// A configuration is what CreateFunction and UpdateFunctionConfiguration have
// in common. What is nil is not said.
type configuration struct {
	Role             *string           `json:"Role"`
	Runtime          *string           `json:"Runtime"`
	Handler          *string           `json:"Handler"`
	Description      *string           `json:"Description"`
	MemorySize       *int              `json:"MemorySize"`
	Timeout          *int              `json:"Timeout"`
	Environment      *environmentInput `json:"Environment"`
	Layers           *[]string         `json:"Layers"`
	EphemeralStorage *ephemeralStorage `json:"EphemeralStorage"`
	LoggingConfig    *loggingConfig    `json:"LoggingConfig"`
	KMSKeyArn        *string           `json:"KMSKeyArn"`
	TracingConfig    *tracingConfig    `json:"TracingConfig"`
	VpcConfig        json.RawMessage   `json:"VpcConfig"`
	DeadLetterConfig json.RawMessage   `json:"DeadLetterConfig"`
	SnapStart        *snapStart        `json:"SnapStart"`
}

type environmentInput struct {
	Variables map[string]string `json:"Variables"`
}

type ephemeralStorage struct {
	Size int `json:"Size"`
}

type tracingConfig struct {
	Mode string `json:"Mode"`
}

type snapStart struct {
	ApplyOn            string `json:"ApplyOn"`
	OptimizationStatus string `json:"OptimizationStatus,omitempty"`
}

// Limits of one function's configuration:
// https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html (2026-11).
const (
	maxDescription = 256
	maxHandler     = 128
	maxLayers      = 5
	minEphemeral   = 512    // MB
	maxEphemeral   = 10_240 // MB
)

var (
	rolePattern    = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)
	handlerPattern = regexp.MustCompile(`^[^\s]+$`)
	layerPattern   = regexp.MustCompile(`^arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+$`)
	runtimes       = []string{"provided", "provided.al2", "provided.al2023"}
)

// apply checks the configuration and returns s changed by it.
func (c *configuration) apply(s settings) (settings, *wire.Refusal) {
	set(&s.role, c.Role)
	set(&s.runtime, c.Runtime)
	set(&s.handler, c.Handler)
	set(&s.description, c.Description)
	set(&s.memory, c.MemorySize)
	set(&s.timeout, c.Timeout)
	set(&s.layers, c.Layers)
	set(&s.kmsKey, c.KMSKeyArn)
	if c.Environment != nil {
		s.environment = c.Environment.Variables
	}
	if c.EphemeralStorage != nil {
		s.ephemeral = c.EphemeralStorage.Size
	}
	if c.TracingConfig != nil {
		s.tracing = c.TracingConfig.Mode
	}
	if l := c.LoggingConfig; l != nil {
		s.logging = loggingConfig{
			LogFormat: cmp.Or(l.LogFormat, s.logging.LogFormat), LogGroup: cmp.Or(l.LogGroup, s.logging.LogGroup),
			ApplicationLogLevel: l.ApplicationLogLevel, SystemLogLevel: l.SystemLogLevel,
		}
	}
	s.vpc = orRaw(c.VpcConfig, s.vpc)
	s.deadLetter = orRaw(c.DeadLetterConfig, s.deadLetter)
	return s, c.check(&s)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func orRaw(said, otherwise json.RawMessage) json.RawMessage {
	if len(said) == 0 || string(said) == "null" {
		return otherwise
	}
	return said
}

// check refuses what Lambda refuses, and what cannot run here.
func (c *configuration) check(s *settings) *wire.Refusal {
	switch {
	case !rolePattern.MatchString(s.role):
		return wire.Validation("role", s.role, "Member must satisfy regular expression pattern: "+rolePattern.String())
	case !strings.HasPrefix(s.runtime, "provided"):
		return wire.InvalidParameter(fmt.Sprintf("lambdapool: local: runtime %q: only OS-only runtimes run here, %s", s.runtime, strings.Join(runtimes, ", ")))
	case !slices.Contains(runtimes, s.runtime):
		return wire.InvalidParameter(fmt.Sprintf("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", s.runtime, strings.Join(runtimes, ", ")))
	case len(s.handler) > maxHandler || !handlerPattern.MatchString(s.handler):
		return wire.Validation("handler", s.handler, "Member must satisfy regular expression pattern: [^\\s]+ and have length less than or equal to "+strconv.Itoa(maxHandler))
	case utf8.RuneCountInString(s.description) > maxDescription:
		return wire.Validation("description", s.description, "Member must have length less than or equal to "+strconv.Itoa(maxDescription))
	case len(s.layers) > maxLayers:
		return wire.InvalidParameter("Layers: cannot reference more than " + strconv.Itoa(maxLayers) + " layers.")
	case !logs.GroupName.MatchString(s.logging.LogGroup):
		return wire.Validation("loggingConfig.logGroup", s.logging.LogGroup, "Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+")
	case s.logging.LogFormat != "Text" && s.logging.LogFormat != "JSON":
		return wire.Validation("loggingConfig.logFormat", s.logging.LogFormat, "Member must satisfy enum value set: [JSON, Text]")
	case s.tracing != "PassThrough" && s.tracing != "Active":
		return wire.Validation("tracingConfig.mode", s.tracing, "Member must satisfy enum value set: [Active, PassThrough]")
	case c.SnapStart != nil && c.SnapStart.ApplyOn == "PublishedVersions":
		return wire.InvalidParameter(s.runtime + " is not supported for SnapStart enabled functions.")
	}
	for _, layer := range s.layers {
		if !layerPattern.MatchString(layer) {
			return wire.Validation("layers", layer, "Member must satisfy constraint: [Member must satisfy regular expression pattern: "+layerPattern.String()+"]")
		}
	}
	if refused := within("memorySize", s.memory, service.MinMemory, service.MaxMemory); refused != nil {
		return refused
	}
	if refused := within("timeout", s.timeout, 1, int(service.MaxTimeout.Seconds())); refused != nil {
		return refused
	}
	if refused := within("ephemeralStorage.size", s.ephemeral, minEphemeral, maxEphemeral); refused != nil {
		return refused
	}
	return checkEnvironment(s.environment)
}

func within(member string, n, low, high int) *wire.Refusal {
	switch {
	case n < low:
		return wire.Validation(member, strconv.Itoa(n), "Member must have value greater than or equal to "+strconv.Itoa(low))
	case n > high:
		return wire.Validation(member, strconv.Itoa(n), "Member must have value less than or equal to "+strconv.Itoa(high))
	}
	return nil
}

// checkEnvironment measures the variables as Lambda does, as JSON.
func checkEnvironment(env map[string]string) *wire.Refusal {
	const unable = "Lambda was unable to configure your environment variables because the environment variables you have provided "
	var kept []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		switch {
		case service.Reserved(name):
			kept = append(kept, name)
		case !service.EnvName.MatchString(name):
			return wire.Validation("environment.variables", name, "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]")
		case strings.ContainsRune(env[name], 0):
			return wire.InvalidParameter(unable + "contains a NUL byte in " + name)
		}
	}
	if kept != nil {
		return wire.InvalidParameter(unable + "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: " + strings.Join(kept, ", "))
	}
	var measured bytes.Buffer
	enc := json.NewEncoder(&measured)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(env); err != nil {
		return wire.InvalidParameter(unable + "is not valid: " + err.Error())
	}
	if n := measured.Len() - len("\n"); n > service.MaxEnvironment {
		return wire.InvalidParameter(fmt.Sprintf("%sexceeded the 4KB limit. Measured: %d bytes", unable, n))
	}
	return nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html (2026-11)
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

func checkTags(tags map[string]string) *wire.Refusal {
	if len(tags) > maxTags {
		return wire.InvalidParameter(fmt.Sprintf("A resource can have at most %d tags, not %d", maxTags, len(tags)))
	}
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > maxTagKey:
			return wire.InvalidParameter(fmt.Sprintf("Tag key %q must have 1 to %d characters", key, maxTagKey))
		case utf8.RuneCountInString(value) > maxTagValue:
			return wire.InvalidParameter(fmt.Sprintf("The value of tag %q must have at most %d characters", key, maxTagValue))
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return wire.InvalidParameter(fmt.Sprintf("Tag key %q: aws: is a reserved prefix", key))
		}
	}
	return nil
}
