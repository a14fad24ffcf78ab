package service

import (
	"regexp"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/internal/isolate"
)

// What a function may be configured to, as Lambda has it:
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (2026-11).
const (
	MinMemory      = 128    // MB
	MaxMemory      = 10_240 // MB
	MaxTimeout     = 900 * time.Second
	MaxEnvironment = 4096 // bytes, names and values
	MaxEventAge    = 6 * time.Hour
	MaxConcurrency = 10_000 // not Lambda's: what one machine can be asked for
)

var (
	// Name is what a function may be called.
	Name = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	// EnvName is what a variable of its environment may be called, unless it is Reserved.
	EnvName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)
)

// The names Lambda keeps for itself
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, 2026-11), and this module's.
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN", "AWS_LAMBDA_RUNTIME_API",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", sandbox.Marker, isolate.Lifeline,
}

// Reserved reports whether the platform sets the variable of that name, so that nobody else may.
func Reserved(name string) bool { return slices.Contains(reserved, name) }
