package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/report"
)

// A parsedPage is what a page consists of.
type parsedPage struct {
	elements map[string]int
	style    string
	data     string
	script   string
	policy   string
	text     string // without style and scripts
}

var raw = regexp.MustCompile(`(?s)<(style|script)([^>]*)>(.*?)</(?:style|script)>`)

// parse reads a page that is also well-formed XML, but for what is raw in HTML.
func parse(t *testing.T, page []byte) parsedPage {
	t.Helper()
	p := parsedPage{elements: map[string]int{}}
	rest := raw.ReplaceAllFunc(page, func(element []byte) []byte {
		m := raw.FindSubmatch(element)
		switch content := string(m[3]); {
		case string(m[1]) == "style":
			p.style = content
		case bytes.Contains(m[2], []byte("application/json")):
			p.data = content
		default:
			p.script = content
		}
		return fmt.Appendf(nil, "<%s%s></%s>", m[1], m[2], m[1])
	})
	dec := xml.NewDecoder(bytes.NewReader(rest))
	dec.Entity = xml.HTMLEntity
	var text strings.Builder
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			p.text = text.String()
			return p
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
		case xml.StartElement:
			p.elements[token.Name.Local]++
			for _, a := range token.Attr {
				name := strings.ToLower(a.Name.Local)
				if slices.Contains([]string{"src", "href", "srcset", "action", "data", "poster", "style"}, name) || strings.HasPrefix(name, "on") {
					t.Errorf("<%s> has an attribute %s=%q", token.Name.Local, name, a.Value)
				}
				if name == "content" && strings.Contains(a.Value, "default-src") {
					p.policy = a.Value
				}
			}
		}
	}
}

// The page loads nothing, and its policy lets nothing else in.
func TestThePageIsSelfContained(t *testing.T) {
	for _, n := range []int{0, 1, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var rec report.Recorder
			simulate(n, 64, rec.Record)
			page := write(t, "html", rec.Report())
			p := parse(t, page)
			if found := regexp.MustCompile(`(?i)(https?:|//[a-z]|url\(|@import|<link|<img|<iframe|fetch\(|import\()`).FindAll(page, -1); len(found) > 0 {
				t.Errorf("the page refers to something: %q", found)
			}
			if !strings.HasPrefix(p.policy, "default-src 'none';") || strings.Contains(p.policy, "unsafe") {
				t.Errorf("policy %q", p.policy)
			}
			for _, source := range []string{p.style, p.script} {
				sum := sha256.Sum256([]byte(source))
				if hash := base64.StdEncoding.EncodeToString(sum[:]); source != "" && !strings.Contains(p.policy, hash) {
					t.Errorf("the policy does not allow what begins with %.40q", source)
				}
			}
			if (p.script != "") != (n > 0) || (p.elements["canvas"] == 1) != (n > 0) || p.elements["table"] < 2 || p.elements["h1"] != 1 {
				t.Errorf("%d elements of script, %v", len(p.script), p.elements)
			}
		})
	}
}

func TestHostileNames(t *testing.T) {
	const attack = `</script><script>alert(1)</script><img src=x onerror=alert(2)>"'&<!--` + "\u2028\x00\x1b]0;x\x07"
	r := reportOf(4, func(i int, r *lambdapool.Record) {
		r.ID, r.Func, r.Instance, r.RequestID, r.Version = attack, attack, attack, attack, attack
		switch i {
		case 1:
			r.Err = attack
		case 2:
			r.Throttle = attack
		case 3:
			r.Func = "\xff\xfe"
		}
	})
	r.Title = attack
	page := write(t, "html", r)
	// XML has no control characters, which HTML takes.
	p := parse(t, regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x{FFFD}]`).ReplaceAll(page, nil))
	if p.elements["script"] != 2 || p.elements["img"] != 0 {
		t.Errorf("elements: %v", p.elements)
	}
	if !strings.Contains(p.text, "<img src=x onerror=alert(2)>") {
		t.Error("the name is not shown as text")
	}
	var data struct{ Names []string }
	if err := json.Unmarshal([]byte(p.data), &data); err != nil || !strings.Contains(data.Names[0], "onerror") {
		t.Errorf("data: %v, %q", err, data.Names)
	}
	for _, format := range []string{"json", "trace"} {
		if !json.Valid(write(t, format, r)) {
			t.Errorf("%s is not valid", format)
		}
	}
}

// What page.js reads.
func TestTheTimelinesData(t *testing.T) {
	r := reportOf(3, func(i int, r *lambdapool.Record) {
		r.Sent = r.Sent.Add(time.Duration(i) * time.Second)
		r.Received = r.Sent.Add(300 * time.Millisecond)
		if i == 2 {
			r.Func, r.Attempt, r.Err, r.Cold = "other", 3, "lost", false
			r.Sent = r.Sent.Add(-1900 * time.Millisecond) // beside the first
		}
	})
	var data struct {
		Count, Rows int
		Tick, End   int64
		Names       []string
		Columns     string
	}
	if err := json.Unmarshal([]byte(parse(t, write(t, "html", r)).data), &data); err != nil {
		t.Fatal(err)
	}
	packed, err := base64.URLEncoding.DecodeString(data.Columns)
	if err != nil {
		t.Fatal(err)
	}
	var columns [7][3]uint32
	if err := binary.Read(bytes.NewReader(packed), binary.LittleEndian, &columns); err != nil {
		t.Fatal(err)
	}
	const okayCold, lost = 1, 4
	want := [7][3]uint32{
		{20_000, 120_000, 1_020_000},  // sent
		{300_000, 2_200_000, 300_000}, // took
		{20_000, 120_000, 1_020_000},  // in the queue
		{80_000, 0, 80_000},           // cold start
		{200_000, 200_000, 200_000},   // run
		{0, 1, 0},                     // row
		{okayCold | 1<<3, lost | 3<<3 | 1<<11, okayCold | 1<<3}, // kind, attempt, name
	}
	if columns != want || data.Count != 3 || data.Rows != 2 || data.Tick != 1000 || data.End != 2_320_000 || !slices.Equal(data.Names, []string{"resize", "other"}) {
		t.Errorf("%+v\n got %v\nwant %v", data, columns, want)
	}
}

// Of a larger run as many are drawn, so this is as large as a page gets.
func TestALargeRunIsAPageOfReasonableSize(t *testing.T) {
	page := write(t, "html", reportOf(200_100, func(i int, r *lambdapool.Record) {
		r.Received = r.Received.Add(time.Duration(i) * time.Microsecond)
	}))
	if len(page) > 10_000_000 {
		t.Errorf("a page of %d bytes", len(page))
	}
	if !bytes.Contains(page, []byte("200,000 of 200,100 are drawn.")) {
		t.Error("the page does not say that it leaves some out")
	}
}

func TestWeeksFitIntoTheTimeline(t *testing.T) {
	r := reportOf(2, func(i int, r *lambdapool.Record) {
		r.Sent = r.Sent.Add(time.Duration(i) * 30 * 24 * time.Hour)
		r.Received = r.Sent.Add(time.Hour)
	})
	var data struct{ Tick, End int64 }
	if err := json.Unmarshal([]byte(parse(t, write(t, "html", r)).data), &data); err != nil {
		t.Fatal(err)
	}
	if data.End > 1<<31 || time.Duration(data.Tick*data.End) < 29*24*time.Hour {
		t.Errorf("%d ticks of %d ns", data.End, data.Tick)
	}
}
