package schedule

// A Law is how a platform lets a pool grow. The zero Law knows no limits: no
// ramp and no request rate, as suits a backend that runs on this machine.
type Law struct {
	Burst int     // environments that a cold function may start at once; 0: no ramp
	Ramp  float64 // further environments per second, never saved up beyond Burst
	Rate  float64 // requests per second for each environment; 0: no rate
}

// Lambda's scaling law.
//
// Source, read 2026-11: AWS Lambda Developer Guide, "Lambda scaling behavior"
// (https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html): for each
// function at most 1,000 environments, or 10,000 requests per second, more in
// every 10 seconds; refilled continuously; unused portions do not accrue. And
// "Understanding Lambda function scaling"
// (https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html): the
// request rate is limited to ten times the concurrency.
const (
	// LambdaBurst is the number of environments a cold function may start at once.
	LambdaBurst = 1_000
	// LambdaRamp is the number of environments it may start after that, per second.
	LambdaRamp = 100.0
	// LambdaRate is the number of requests per second that one environment may serve.
	LambdaRate = 10.0
)

// LambdaLaw returns the scaling law of one AWS Lambda function.
func LambdaLaw() Law {
	return Law{Burst: LambdaBurst, Ramp: LambdaRamp, Rate: LambdaRate}
}
