package deploy

import "testing"

func TestWantsLinesOfFunctions(t *testing.T) {
	t.Parallel()
	three, zero := 3, 0
	const line = `{"message":"run nightly item 3","lambdapool":{"func":"f","run":"nightly","item":3}}`
	for _, test := range []struct {
		query LogQuery
		text  string
		want  bool
	}{
		{LogQuery{}, "anything", true},
		{LogQuery{Run: "nightly"}, line, true},
		{LogQuery{Run: "nightly", Item: &three}, line, true},
		{LogQuery{Item: &three}, line, true},
		{LogQuery{Run: "nightly", Item: &zero}, line, false},
		{LogQuery{Run: "night"}, line, false},
		{LogQuery{Run: "nightly"}, "nightly", false},
		{LogQuery{Run: "nightly"}, `{"run":"nightly"}`, false},
		{LogQuery{Run: "nightly"}, `{"lambdapool":"nightly"}`, false},
		{LogQuery{Item: &zero}, `{"lambdapool":{"func":"f"}}`, false},
		{LogQuery{Item: &zero}, `{"lambdapool":{"item":0`, false},
	} {
		if got := wants(&test.query, test.text); got != test.want {
			t.Errorf("%+v of %s: %v", test.query, test.text, got)
		}
	}
}
