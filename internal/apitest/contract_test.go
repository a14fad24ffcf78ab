package apitest_test

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/progress"
)

// A and R stand for a user's types.
type (
	arg    struct{ N int }
	result struct{ Text string }
)

// The names below are shorter for the eye, not other types.
type (
	ctx  = context.Context
	pool = *lambdapool.Executor
	fn   = *lambdapool.Func[arg, result]
)

// What the design promises, as assignments: each says that the name is there and has just this type.
var (
	_ func(string, func(ctx, arg) (result, error), ...lambdapool.FuncOption) fn                       = lambdapool.Register[arg, result]
	_ func(*lambdapool.Registry, string, func(ctx, arg) (result, error), ...lambdapool.FuncOption) fn = lambdapool.RegisterIn[arg, result]
	_ func(string, any, ...lambdapool.FuncOption)                                                     = lambdapool.RegisterFunc
	_ func(*lambdapool.Registry, string, any, ...lambdapool.FuncOption)                               = lambdapool.RegisterFuncIn
	_ func(string, error)                                                                             = lambdapool.RegisterError
	_ func() lambdapool.FuncOption                                                                    = lambdapool.Idempotent
	_ func() *lambdapool.Registry                                                                     = lambdapool.NewRegistry
	_ func(fn) string                                                                                 = fn.Name
	_ *lambdapool.Registry                                                                            = lambdapool.DefaultRegistry

	_ func(lambdapool.Backend, ...lambdapool.Option) (pool, error)    = lambdapool.New
	_ func(pool, ctx, any, ...any) *lambdapool.Future[any]            = pool.Submit
	_ func(pool, ctx) error                                           = pool.Shutdown
	_ func(pool) error                                                = pool.Close
	_ func(pool) lambdapool.Stats                                     = pool.Stats
	_ func(int) lambdapool.Option                                     = lambdapool.WithWorkers
	_ func(time.Duration) lambdapool.Option                           = lambdapool.WithTimeout
	_ func(*lambdapool.Registry) lambdapool.Option                    = lambdapool.WithRegistry
	_ func(*slog.Logger) lambdapool.Option                            = lambdapool.WithLogger
	_ func(lambdapool.RetryPolicy) lambdapool.Option                  = lambdapool.WithRetry
	_ func(lambdapool.Hedging) lambdapool.Option                      = lambdapool.WithHedging
	_ func(ctx, pool, fn, arg) *lambdapool.Future[result]             = lambdapool.Submit[arg, result]
	_ func(ctx, pool, fn, arg) (result, error)                        = lambdapool.Call[arg, result]
	_ func(ctx, pool, fn, []arg, ...mapOption) ([]result, error)      = lambdapool.Map[arg, result]
	_ func(ctx, pool, fn, iter.Seq[arg], ...mapOption) inOrder        = lambdapool.Stream[arg, result]
	_ func(ctx, pool, fn, iter.Seq[arg], ...mapOption) asCompleted    = lambdapool.StreamUnordered[arg, result]
	_ func(ctx, pool, any, [][]any, ...mapOption) ([]any, error)      = lambdapool.StarMap
	_ func(int) mapOption                                             = lambdapool.ChunkSize
	_ func(int) mapOption                                             = lambdapool.Window
	_ func() mapOption                                                = lambdapool.ContinueOnError
	_ func(func(lambdapool.Snapshot)) mapOption                       = lambdapool.Progress
	_ func(future, ctx) (result, error)                               = future.Result
	_ func(future) <-chan struct{}                                    = future.Done
	_ func(future) error                                              = future.Err
	_ func(future) bool                                               = future.Cancel
	_ func(future, func(future))                                      = future.OnDone
	_ func(future) lambdapool.CallStats                               = future.Stats
	_ func(ctx, ...future) ([]result, error)                          = lambdapool.Collect[result]
	_ func(ctx, ...future) iter.Seq[future]                           = lambdapool.AsCompleted[result]
	_ func(ctx, lambdapool.Until, ...future) (done, pending []future) = lambdapool.Wait[result]

	_ error = (*lambdapool.FunctionError)(nil)
	_ error = (*lambdapool.PoolError)(nil)
	_ error = (*lambdapool.ItemError)(nil)

	_ func()                                              = agent.Main
	_ func(*lambdapool.Registry) *agent.Handler           = agent.NewHandler
	_ func(*agent.Handler, ctx, []byte) ([]byte, error)   = (*agent.Handler).Invoke
	_ func(...local.Option) (*local.Backend, error)       = local.New
	_ func(string) local.Option                           = local.WithBinary
	_ func(int) local.Option                              = local.WithConcurrency
	_ func(int) local.Option                              = local.WithMemory
	_ func(time.Duration) local.Option                    = local.WithTimeout
	_ func(map[string]string) local.Option                = local.WithEnv
	_ func(local.Faults) local.Option                     = local.WithFaults
	_ func(*local.Backend) string                         = (*local.Backend).Endpoint
	_ func(*local.Backend) string                         = (*local.Backend).FunctionName
	_ func(*local.Backend) (id, secret string)            = (*local.Backend).Credentials
	_ func(*local.Backend) error                          = (*local.Backend).Close
	_ func(...inproc.Option) *inproc.Backend              = inproc.New
	_ func(ctx, string, ...awslambda.Option) (aws, error) = awslambda.New
	_ func(ctx, string) (backend.Backend, error)          = backend.Open
	_ lambdapool.Backend                                  = backend.Backend(nil)
)

type (
	future      = *lambdapool.Future[result]
	mapOption   = lambdapool.MapOption
	inOrder     = iter.Seq2[result, error]
	asCompleted = iter.Seq[lambdapool.Result[result]]
	aws         = *awslambda.Backend
)

// Fields and sentinels.
var (
	_ = lambdapool.FunctionError{Func: "", Type: "", Message: "", Panic: false, Stack: "", RequestID: ""}
	_ = lambdapool.PoolError{Op: "", Func: "", Attempts: 0, RequestID: "", Err: nil}
	_ = lambdapool.ItemError{Index: 0, Err: nil}
	_ = lambdapool.Result[int]{Index: 0, Value: 0, Err: nil}
	_ = []lambdapool.Until{lambdapool.FirstCompleted, lambdapool.FirstError, lambdapool.AllCompleted}
	_ = []error{
		lambdapool.ErrNotRegistered, lambdapool.ErrBadArguments, lambdapool.ErrEncode, lambdapool.ErrDecode,
		lambdapool.ErrTooLarge, lambdapool.ErrThrottled, lambdapool.ErrTimeout, lambdapool.ErrOutOfMemory,
		lambdapool.ErrAgentCrashed, lambdapool.ErrUnknownOutcome, lambdapool.ErrVersionMismatch,
		lambdapool.ErrAccessDenied, lambdapool.ErrFunctionNotFound, lambdapool.ErrCanceled, lambdapool.ErrClosed,
	}
	_ = progress.Bar
)
