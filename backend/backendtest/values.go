package backendtest

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// testLimits demands limits that an executor can rely on. Workers is one at least: it is what
// WithWorkers defaults to, and zero would be taken for one, so that a pool runs one call after the
// other. No limit is negative; zero says that none is known. They do not change, because an
// executor asks once.
func testLimits(t *testing.T, b lambdapool.Backend) {
	limits := b.Limits()
	if limits.Workers < 1 {
		t.Errorf("Limits().Workers is %d: an executor needs one at least", limits.Workers)
	}
	if limits.Request < 0 || limits.Response < 0 || limits.Timeout < 0 {
		t.Errorf("a limit is negative: %+v", limits)
	}
	if again := b.Limits(); again != limits {
		t.Errorf("Limits changed from %+v to %+v", limits, again)
	}
}

// same checks that a value comes back as it went.
func same[T any](t *testing.T, e *lambdapool.Executor, fn *lambdapool.Func[T, T], values ...T) {
	t.Helper()
	for _, v := range values {
		got, err := lambdapool.Call(short(t), e, fn, v)
		if err != nil {
			t.Errorf("%s(%v): %v", fn.Name(), v, err)
			continue
		}
		if diff := cmp.Diff(v, got, cmp.AllowUnexported(order{}), cmp.Comparer(sameFloat)); diff != "" {
			t.Errorf("%s changed its argument (-sent +received):\n%s", fn.Name(), diff)
		}
	}
}

// sameFloat tells 0 from -0, and takes NaN for NaN.
func sameFloat(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// testValues demands that values of every kind come back as they went: the extremes of numbers,
// NaN, the sign of zero, strings that are no UTF-8, nil beside empty, times with their offset. The
// codec does that; a backend must not touch the bytes. One that has them go through a JSON or a
// text encoder damages exactly those that tests with "hello" do not show.
func testValues(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	zone := time.FixedZone("", -7*3600)
	one := 1
	same(t, e, echoInt, 0, 1, -1, math.MaxInt, math.MinInt)
	same(t, e, echoInt64, math.MaxInt64, math.MinInt64)
	same(t, e, echoUint64, 0, math.MaxUint64)
	same(t, e, echoFloat, 0, math.Copysign(0, -1), 0.1, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN())
	same(t, e, echoComplex, complex(1, -2))
	same(t, e, echoBool, true, false)
	same(t, e, echoString, "", "süß 世界", "\x00\xff\xfe not UTF-8", `"quoted" \ <html>`)
	same(t, e, echoBytes, nil, []byte{}, []byte{0xC1, 'L', 'P', 0})
	same(t, e, echoFloats, nil, []float64{}, []float64{1, math.NaN(), math.Inf(-1)})
	same(t, e, echoStrings, nil, []string{}, []string{"", "a"})
	same(t, e, echoArray, [3]int{1, 2, 3})
	same(t, e, echoMap, nil, map[string][]int{}, map[string][]int{"": nil, "a": {}, "b": {1, 2}})
	same(t, e, echoPointer, nil, &one)
	same(t, e, echoTime, time.Time{}, time.Date(2026, 11, 5, 1, 2, 3, 4, time.UTC), time.Date(1900, 1, 1, 0, 0, 0, 0, zone))
	same(t, e, echoEmpty, struct{}{})
	same(t, e, echoOrder, order{}, order{
		address:  address{"Rue de l'Église", "Liège"},
		ID:       math.MaxUint64,
		Customer: &customer{Name: "Ada", Tags: []string{"new", ""}},
		Lines:    []line{{"apple", 3, 0.25}, {"", math.MinInt32, math.Inf(1)}},
		Notes:    map[string]string{"to": "go"},
		Raw:      []byte("\xff\x00"),
		Weights:  []float32{0.5, float32(math.Inf(-1))},
		At:       time.Date(2026, 11, 5, 1, 2, 3, 999_999_999, zone),
		Took:     -time.Minute,
		Ratio:    1e-300,
		Parent:   &order{ID: 1, Lines: []line{}},
	})
}

// testDynamic demands that a call works by handle, by name and by function value, with any number
// of arguments and without a result. Programs that read names from a file or a flag call in this
// way.
func testDynamic(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	for _, tt := range []struct {
		name string
		fn   any
		args []any
		want any
	}{
		{"by handle", echoInt, []any{41}, 41},
		{"by name", "backendtest.Divide", []any{7, 2}, 3},
		{"by value", divide, []any{-7, 2}, -3},
		{"variadic with none", "backendtest.Join", []any{","}, ""},
		{"variadic with two", "backendtest.Join", []any{",", "a", "b"}, "a,b"},
		{"no argument, no result", "backendtest.Nothing", nil, nil},
	} {
		got, err := e.Submit(short(t), tt.fn, tt.args...).Result(short(t))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

// testMap demands that results of Map are in the order of the arguments, however chunks were cut
// and whoever was first, and that no argument gives an empty slice and no error.
func testMap(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	args := make([]int, 50)
	for i := range args {
		args[i] = i * i
	}
	got, err := lambdapool.Map(short(t), e, echoInt, args)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(args, got); diff != "" {
		t.Errorf("Map (-want +got):\n%s", diff)
	}
	if got, err := lambdapool.Map(short(t), e, echoInt, nil); err != nil || got == nil || len(got) != 0 {
		t.Errorf("Map over nothing: %#v, %v; want an empty slice that is not nil", got, err)
	}
	quotients, err := lambdapool.StarMap(short(t), e, divide, [][]any{{8, 2}, {9, 3}, {1, 2}})
	if err != nil || !reflect.DeepEqual(quotients, []any{4, 3, 0}) {
		t.Errorf("StarMap: %v, %v; want [4 3 0]", quotients, err)
	}
}

// testItems runs 100 items in one invocation, in the wire form: one after the other, several at
// once, and as many as the agent likes. Each reply must be at its item's place, and the reply must
// carry the request's ID, by which the executor knows that an answer is for its question.
func testItems(t *testing.T, b lambdapool.Backend) {
	var args []any
	for i := range 100 {
		args = append(args, i)
	}
	for _, parallel := range []int{0, 1, 7} {
		req := items(t, "backendtest.EchoInt", args...)
		req.Parallel = parallel
		reply := send(t, b, req)
		if reply.Err != nil || len(reply.Items) != len(args) || reply.ID != req.ID {
			t.Fatalf("%d at once: reply %q with %d items, error %v; want %q with %d", parallel, reply.ID, len(reply.Items), reply.Err, req.ID, len(args))
		}
		for i, item := range reply.Items {
			if item.Err != nil {
				t.Fatalf("item %d: %+v", i, item.Err)
			}
			if got := decode[int](t, item.Value); got != i {
				t.Errorf("%d at once: item %d is %d", parallel, i, got)
			}
		}
	}
}

// testMeasurements demands what reports, cost and progress are made of: a run time that is not
// below the function's own nor above the call's, a request ID, and what the agent says of itself.
// It also finds the most frequent mistake in a new backend: an agent that serves another registry
// than the suite's.
func testMeasurements(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	const nap = 20 * time.Millisecond
	f := lambdapool.Submit(short(t), e, wait, nap)
	if _, err := f.Result(short(t)); err != nil {
		t.Fatal(err)
	}
	stats := f.Stats()
	if stats.Attempts != 1 {
		t.Errorf("%d attempts, want 1", stats.Attempts)
	}
	// The agent measures Run itself; Total is the client's. A unit mixed up in between shows here.
	if stats.Run < nap || stats.Run > stats.Total {
		t.Errorf("a call that took %v in all ran for %v; the function takes %v", stats.Total, stats.Run, nap)
	}
	if stats.RequestID == "" {
		t.Error("no request id")
	}
	reply := send(t, b, &codec.Request{ID: "describe", Op: codec.OpDescribe})
	if reply.Agent.Instance == "" || reply.Agent.Invocation == 0 || reply.Agent.Procs < 1 {
		t.Errorf("the agent says of itself %+v", reply.Agent)
	}
	// Equal fingerprints mean that both ends have the same functions with the same shapes.
	if want := lambdapool.DefaultRegistry.Fingerprint(); reply.Agent.Registry != want {
		t.Errorf("the agent's registry is %x, the client's %x: it must serve lambdapool.DefaultRegistry", reply.Agent.Registry, want)
	}
	shapes := map[string]string{}
	for _, f := range reply.Functions {
		shapes[f.Name] = f.Shape
	}
	if got, want := shapes["backendtest.Divide"], "func(int, int) int"; got != want {
		t.Errorf("Describe: Divide is %q, want %q", got, want)
	}
}

// encode is one argument as it travels.
func encode(t *testing.T, v any) []byte {
	t.Helper()
	typ, err := codec.TypeOf(reflect.TypeOf(v))
	if err != nil {
		t.Fatal(err)
	}
	data, err := codec.Marshal([]*codec.Type{typ}, []reflect.Value{reflect.ValueOf(v)})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decode is one result as it travelled.
func decode[T any](t *testing.T, data []byte) T {
	t.Helper()
	var v T
	typ, err := codec.TypeOf(reflect.TypeFor[T]())
	if err == nil {
		err = codec.Unmarshal(data, []*codec.Type{typ}, []reflect.Value{reflect.ValueOf(&v).Elem()})
	}
	if err != nil {
		t.Fatal(fmt.Errorf("result: %w", err))
	}
	return v
}
