package codec

import (
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"time"
)

// time.Time has a marshaler of its own here: the standard one moves negative offsets
// that are no whole minutes, as zones had before they were standardized.
//
// On the wire it is the Unix time in seconds (8 bytes), nanoseconds (4) and the offset
// in seconds east of UTC (4), all big endian.
var (
	timeType = reflect.TypeFor[time.Time]()
	byTime   = &marshaler{"time",
		func(p any, b []byte) ([]byte, error) { return appendTime(b, *p.(*time.Time)), nil },
		func(p any, b []byte) error { return parseTime(p.(*time.Time), b) }}
)

// offsetUTC stands for UTC itself, where 0 is any zone without an offset.
const offsetUTC = math.MinInt32

func appendTime(b []byte, t time.Time) []byte {
	_, offset := t.Zone()
	if t.Location() == time.UTC {
		offset = offsetUTC
	}
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
	return binary.BigEndian.AppendUint32(b, uint32(int32(offset)))
}

var errTime = errors.New("not a time")

// parseTime is the opposite of appendTime. It accepts nothing that appendTime does not write.
func parseTime(t *time.Time, b []byte) error {
	if len(b) != 16 {
		return errTime
	}
	nanos := binary.BigEndian.Uint32(b[8:])
	if nanos >= uint32(time.Second) {
		return errTime
	}
	local := time.Unix(int64(binary.BigEndian.Uint64(b)), int64(nanos))
	switch offset := int(int32(binary.BigEndian.Uint32(b[12:]))); {
	case offset == offsetUTC:
		*t = local.UTC()
	case offset == offsetOf(local): // so that a time which went to and fro compares equal
		*t = local
	default:
		*t = local.In(time.FixedZone("", offset))
	}
	return nil
}

func offsetOf(t time.Time) int {
	_, offset := t.Zone()
	return offset
}
