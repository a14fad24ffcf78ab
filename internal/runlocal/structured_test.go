package runlocal

import "testing"

// A line that is a JSON object is an entry with fields, as Cloud Run makes one, and found by them.
func TestStructuredLines(t *testing.T) {
	t.Parallel()
	e := entryJSON{Text: `{"time":"t","severity":"WARNING","message":"m","lambdapool":{"run":"nightly","item":3}}`}
	e.structure()
	if e.Text != "" || e.Severity != "WARNING" || e.JSON["message"] != "m" || len(e.JSON) != 2 {
		t.Errorf("%+v", e)
	}
	for filter, want := range map[string]bool{
		`jsonPayload.lambdapool.run="nightly" AND jsonPayload.lambdapool.item=3 AND severity="WARNING"`: true,
		`jsonPayload.lambdapool.item=4`: false,
		`jsonPayload.message.x="m"`:     false,
	} {
		all, err := conditions(filter)
		if err != nil {
			t.Fatal(err)
		}
		got := true
		for _, c := range all {
			got = got && c(&e)
		}
		if got != want {
			t.Errorf("%s: %v", filter, got)
		}
	}
	plain := entryJSON{Text: "{broken"}
	if plain.structure(); plain.Text != "{broken" || plain.JSON != nil {
		t.Errorf("%+v", plain)
	}
}
