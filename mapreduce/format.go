package mapreduce

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
)

// A Format is how results are written to objects.
type Format uint8

const (
	// JSONLines is a JSON object in a line for each result, with the members key and value.
	JSONLines Format = iota
	// CSV is a row for each result: the key, and the value. A value that is a struct has a column for each of its exported
	// fields. What is neither text, a number nor a bool is JSON. There is no heading.
	CSV
	// Raw is the results as they are, one after another, without keys: of jobs whose reducer returns []byte or a string, as
	// [Concat] does. Records that need an end, such as a newline, have it in them.
	Raw
	// Msgpack is a msgpack array of two for each result, the key and the value, one after the other with nothing between:
	// what every msgpack library reads as a stream, and [ReadMsgpack] in Go. A struct is an array of its exported fields in
	// their order, a time the extension of type -1; package codec has the rest. Values come back as they were, and faster
	// than by the others.
	Msgpack
)

// String returns "JSON lines", "CSV", "raw" or "msgpack".
func (f Format) String() string {
	switch f {
	case JSONLines:
		return "JSON lines"
	case CSV:
		return "CSV"
	case Raw:
		return "raw"
	case Msgpack:
		return "msgpack"
	default:
		return fmt.Sprintf("Format(%d)", uint8(f))
	}
}

// extension is what names of objects end with.
func (f Format) extension() string {
	switch f {
	case CSV:
		return ".csv"
	case Raw:
		return "" // only who has made the records knows what they are
	case Msgpack:
		return ".msgpack"
	default:
		return ".jsonl"
	}
}

// takes says whether results of a type can be written so.
func (f Format) takes(result reflect.Type) error {
	if f == Raw && result.Kind() != reflect.String && !isBytes(result) {
		return fmt.Errorf("mapreduce: As(Raw): the reducer returns %v: it must be []byte or a string", result)
	}
	return nil
}

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// runWrite runs in an agent.
func (j *Job[A, K, V, R]) runWrite(ctx context.Context, t writeTask) (w written, err error) {
	if t.Format > Msgpack {
		return w, fmt.Errorf("mapreduce: %s: this agent does not know the format %d: deploy it again", j.name, t.Format)
	}
	file, err := os.CreateTemp("", "lambdapool-write-")
	if err != nil {
		return w, noRoom(err)
	}
	// Without a name it goes with the agent, however that ends. Where a system lets no open file go, it goes below.
	named := os.Remove(file.Name()) != nil
	defer func() {
		_ = file.Close() // it was read by then
		if named {
			_ = os.Remove(file.Name())
		}
	}()
	buffered := bufio.NewWriterSize(file, readAhead)
	write, flush, err := writer[K, R](buffered, t.Format)
	if err != nil {
		return w, err
	}
	err = j.reduceAll(ctx, t.Task, func(p Pair[K, R]) error {
		w.Records++
		if err := write(p); err != nil {
			return fmt.Errorf("mapreduce: write the result of key %v as %v: %w", p.Key, t.Format, err)
		}
		return nil
	})
	if err != nil {
		return w, err
	}
	if err := cmp.Or(flush(), buffered.Flush()); err != nil {
		return w, noRoom(err)
	}
	if w.Size, err = file.Seek(0, io.SeekEnd); err != nil {
		return w, noRoom(err)
	}
	return w, store(ctx, t.To, t.Name, w.Size, func() io.Reader { return io.NewSectionReader(file, 0, w.Size) })
}

// writer returns what writes results to w, and what ends that.
func writer[K cmp.Ordered, R any](w io.Writer, f Format) (write func(Pair[K, R]) error, flush func() error, err error) {
	nothing := func() error { return nil }
	switch f {
	case JSONLines:
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		return func(p Pair[K, R]) error { return lines.Encode(p) }, nothing, nil
	case Raw:
		return func(p Pair[K, R]) error { return writeRaw(w, reflect.ValueOf(&p.Value).Elem()) }, nothing, nil
	case Msgpack:
		write, err := msgpackWriter[K, R](w)
		return write, nothing, err
	}
	rows := csv.NewWriter(w)
	var row []string
	write = func(p Pair[K, R]) (err error) {
		if row, err = columns(row[:0], reflect.ValueOf(p.Key)); err == nil {
			row, err = columns(row, reflect.ValueOf(&p.Value).Elem())
		}
		if err != nil {
			return err
		}
		return rows.Write(row)
	}
	return write, func() error {
		rows.Flush()
		return rows.Error()
	}, nil
}

// writeRaw writes a string or []byte.
func writeRaw(w io.Writer, v reflect.Value) (err error) {
	if v.Kind() == reflect.String {
		_, err = io.WriteString(w, v.String())
	} else {
		_, err = w.Write(v.Bytes())
	}
	return err //nolint:wrapcheck // the caller says whose result it is
}

// columns appends what stands for v.
func columns(row []string, v reflect.Value) ([]string, error) {
	_, itself := reflect.TypeAssert[json.Marshaler](v)
	switch {
	case itself:
	case v.Kind() == reflect.String:
		return append(row, v.String()), nil
	case v.Kind() == reflect.Struct:
		for field, value := range v.Fields() {
			if !field.IsExported() {
				continue
			}
			var err error
			if row, err = column(row, value); err != nil {
				return row, err
			}
		}
		return row, nil
	}
	return column(row, v)
}

// column appends v as one column.
func column(row []string, v reflect.Value) ([]string, error) {
	if v.Kind() == reflect.String {
		return append(row, v.String()), nil
	}
	data, err := json.Marshal(v.Interface())
	if err != nil {
		return row, err
	}
	var text string
	if json.Unmarshal(data, &text) == nil { // a string in JSON, such as a time's
		return append(row, text), nil
	}
	return append(row, string(data)), nil
}
