package funclog

import (
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lambdapool/lambdapool/internal/legible"
)

// own is under which name a line says whose it is.
const own = "lambdapool"

// maxLine is where a line takes no more attributes, in bytes. CloudWatch Logs and Cloud Logging take 256 KB.
// Sources: docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html and
// cloud.google.com/logging/quotas, 2026-11.
const maxLine = 160 << 10

// write writes a line of JSON.
func (o *output) write(r *slog.Record, inv *Invocation, item *Item, fields []field) error {
	b := []byte(`{"time":"`)
	b = r.Time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, '"')
	b = member(b, "level", slog.StringValue(r.Level.String()))
	if o.severity {
		b = member(b, "severity", slog.StringValue(severity(r.Level)))
	}
	b = member(b, "message", slog.StringValue(clip(r.Message, maxMessage)))
	if inv != nil {
		b = append(b, `,"`+own+`":{`...)
		start := len(b)
		for _, a := range inv.identity(item) {
			b = member(b, a.Key, a.Value)
		}
		b = append(b[:start], b[start+1:]...) // the first comma
		b = append(b, '}')
	}
	for i, f := range fields {
		if len(b) > maxLine {
			b = member(b, "attributes_dropped", slog.IntValue(len(fields)-i))
			break
		}
		switch f.name {
		case "time", "level", "severity", "message", own:
			f.name += "_"
		}
		b = member(b, f.name, f.value)
	}
	_, err := o.w.Write(append(b, '}', '\n'))
	return err
}

// severity is Google Cloud's name of a level.
// Source: cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity, 2026-11.
func severity(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "ERROR"
	case level >= slog.LevelWarn:
		return "WARNING"
	case level >= slog.LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}

// member appends a comma, a name and its value.
func member(b []byte, name string, v slog.Value) []byte {
	b = quote(append(b, ','), name)
	b = append(b, ':')
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64:
		return append(b, v.String()...)
	case slog.KindFloat64:
		if f := v.Float64(); f-f == 0 { // JSON has no infinity
			return strconv.AppendFloat(b, f, 'g', -1, 64)
		}
	}
	return quote(b, text(v))
}

// quote appends a JSON string in which nothing is invisible.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case legible.Shown(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			b = hex(hex(b, 0xd800+(r-0x10000)>>10), 0xdc00+(r-0x10000)&0x3ff)
		default:
			b = hex(b, r)
		}
	}
	return append(b, '"')
}

func hex(b []byte, r rune) []byte {
	digits := strconv.FormatInt(int64(r), 16)
	return append(append(append(b, `\u`...), "0000"[len(digits):]...), digits...)
}

// clip shortens text to about limit bytes and says so.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "… (" + strconv.Itoa(len(text)-limit) + " bytes more)"
}

// stamp is the time of a line as people read it.
func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("15:04:05.000") }
