package s3local

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// maxRules is how many a configuration has. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html, 2026-11.
const maxRules = 1000

var lifecycleKey = []byte("lifecycle")

// A lifecycle is what is to be removed of a bucket, and when. What this store does not do is
// no field of it, and refused. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html, 2026-11.
type lifecycle struct {
	XMLName xml.Name        `json:"-"     xml:"LifecycleConfiguration"`
	Rules   []lifecycleRule `json:"rules" xml:"Rule"`
	Others  []unknown       `json:"-"     xml:",any"`
}

// An unknown element is one that this store does not do. It is read to be refused: a rule of which
// a part is ignored could remove what it should not.
type unknown struct{ XMLName xml.Name }

// A lifecycleRule removes objects, aborts uploads, or both, of what Prefix or Filter chooses.
type lifecycleRule struct {
	ID         string      `json:"id,omitempty"         xml:"ID,omitempty"`
	Prefix     *string     `json:"prefix,omitempty"     xml:"Prefix"`
	Filter     *filter     `json:"filter,omitempty"     xml:"Filter"`
	Status     string      `json:"status"               xml:"Status"`
	Expiration *expiration `json:"expiration,omitempty" xml:"Expiration"`
	Abort      *abortion   `json:"abort,omitempty"      xml:"AbortIncompleteMultipartUpload"`
	Others     []unknown   `json:"-"                    xml:",any"`
}

// An expiration is after so many days, or at a date.
type expiration struct {
	Days   int       `json:"days,omitempty" xml:"Days,omitempty"`
	Date   string    `json:"date,omitempty" xml:"Date,omitempty"`
	Others []unknown `json:"-"              xml:",any"`
}

// An abortion is of uploads that were begun so many days ago and not completed.
type abortion struct {
	Days   int       `json:"days" xml:"DaysAfterInitiation"`
	Others []unknown `json:"-"    xml:",any"`
}

// A filter is one criterion, or several within And.
type filter struct {
	criteria

	And    *criteria `json:"and,omitempty" xml:"And"`
	Others []unknown `json:"-"             xml:",any"`
}

// All criteria that are there must hold. What is nil is not asked for.
type criteria struct {
	Prefix  *string       `json:"prefix,omitempty"  xml:"Prefix"`
	Tags    []objects.Tag `json:"tags,omitempty"    xml:"Tag"`
	Larger  *int64        `json:"larger,omitempty"  xml:"ObjectSizeGreaterThan"`
	Smaller *int64        `json:"smaller,omitempty" xml:"ObjectSizeLessThan"`
}

// check refuses what does not make sense, and what is not served.
func (l *lifecycle) check() error {
	if len(l.Others) > 0 {
		return objects.NotServed("lifecycle configurations with " + l.Others[0].XMLName.Local)
	}
	if len(l.Rules) == 0 || len(l.Rules) > maxRules {
		return objects.MalformedXML()
	}
	seen := map[string]bool{}
	for i := range l.Rules {
		r := &l.Rules[i]
		if r.ID == "" {
			r.ID = fmt.Sprintf("rule-%d", i+1)
		}
		if seen[r.ID] {
			return objects.Invalid("InvalidArgument", "Rule ID must be unique. Found same ID for one or more rules")
		}
		seen[r.ID] = true
		if err := r.check(); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a rule that S3 would refuse, with its code.
func (r *lifecycleRule) check() error {
	others := slices.Clone(r.Others)
	if r.Filter != nil {
		others = append(others, r.Filter.Others...)
	}
	if r.Expiration != nil {
		others = append(others, r.Expiration.Others...)
	}
	if r.Abort != nil {
		others = append(others, r.Abort.Others...)
	}
	if len(others) > 0 {
		return objects.NotServed("lifecycle rules with " + others[0].XMLName.Local)
	}
	switch e := r.Expiration; {
	case r.Status != "Enabled" && r.Status != "Disabled", r.Filter != nil && r.Prefix != nil, r.Filter == nil && r.Prefix == nil:
		return objects.MalformedXML()
	case e == nil && r.Abort == nil:
		return objects.Invalid("InvalidRequest", "At least one action needs to be specified in a rule.")
	case r.Abort != nil && r.Abort.Days < 1:
		return objects.Invalid("InvalidArgument", "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
	case e == nil:
		return nil
	case (e.Days != 0) == (e.Date != ""):
		return objects.MalformedXML()
	case e.Date == "" && e.Days < 1:
		return objects.Invalid("InvalidArgument", "'Days' for Expiration action must be a positive integer")
	case e.Date != "":
		if at, err := time.Parse(time.RFC3339, e.Date); err != nil || !at.Equal(at.Truncate(day)) {
			return objects.Invalid("InvalidArgument", "'Date' must be at midnight GMT")
		}
	}
	return nil
}

const day = 24 * time.Hour

// dies returns when something of that age is to be removed: S3 counts whole days, and rounds
// up to midnight. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html, 2026-11.
func dies(born time.Time, days int) time.Time {
	return born.Add(time.Duration(days+1)*day - 1).UTC().Truncate(day)
}

// over reports whether the rule wants an object removed.
func (r *lifecycleRule) over(key string, e *objects.Entry, now time.Time) bool {
	if r.Status != "Enabled" || r.Expiration == nil || !r.matches(key, e) {
		return false
	}
	at := dies(e.Modified, r.Expiration.Days)
	if r.Expiration.Date != "" {
		at, _ = time.Parse(time.RFC3339, r.Expiration.Date) // which was checked
	}
	return !now.Before(at)
}

// matches reports whether the rule is about an object.
func (r *lifecycleRule) matches(key string, e *objects.Entry) bool {
	switch {
	case r.Prefix != nil:
		return strings.HasPrefix(key, *r.Prefix)
	case r.Filter.And != nil:
		return r.Filter.And.match(key, e)
	}
	return r.Filter.match(key, e)
}

// match holds an object to each criterion.
func (c *criteria) match(key string, e *objects.Entry) bool {
	return (c.Prefix == nil || strings.HasPrefix(key, *c.Prefix)) &&
		(c.Larger == nil || e.Size > *c.Larger) && (c.Smaller == nil || e.Size < *c.Smaller) &&
		!slices.ContainsFunc(c.Tags, func(t objects.Tag) bool { return !slices.Contains(e.Tags, t) })
}

// expire removes what lifecycle rules want removed: what they say comes true at midnight, so
// once a day is enough, at the first request of the day.
func (s *service) expire() error {
	now := s.clock()
	today := now.UTC().Truncate(day).Unix()
	if s.swept.Swap(today) == today {
		return nil
	}
	var names []string
	err := s.disk.Buckets(func(name string, b *bbolt.Bucket) error {
		if b.Bucket(objects.Settings).Get(lifecycleKey) != nil {
			names = append(names, name)
		}
		return nil
	})
	for _, name := range names {
		if err == nil {
			err = s.disk.Change(name, func(b *bbolt.Bucket, unused func(string)) error { return expireBucket(b, now, unused) })
		}
	}
	if err != nil {
		s.swept.Store(0)
	}
	return err
}

// expireBucket removes what the bucket's rules want removed, in one transaction.
func expireBucket(b *bbolt.Bucket, now time.Time, unused func(string)) error {
	rules, err := lifecycleOf(b)
	if err != nil || rules == nil {
		return err
	}
	var keys, ids []string
	err = b.Bucket(objects.Entries).ForEach(func(k, v []byte) error {
		e, err := objects.Decode[objects.Entry](v)
		if err == nil && slices.ContainsFunc(rules.Rules, func(r lifecycleRule) bool { return r.over(string(k), &e, now) }) {
			keys = append(keys, string(k))
			unused(e.File)
		}
		return err
	})
	if err == nil {
		err = b.Bucket(objects.Uploads).ForEach(func(id, v []byte) error {
			u, err := objects.Decode[upload](v)
			if err == nil && slices.ContainsFunc(rules.Rules, func(r lifecycleRule) bool {
				return r.Status == "Enabled" && r.Abort != nil && r.matches(u.Key, &objects.Entry{}) && !now.Before(dies(u.Begun, r.Abort.Days))
			}) {
				ids = append(ids, string(id))
			}
			return err
		})
	}
	for _, key := range keys {
		err = errors.Join(err, objects.Drop(b, key))
	}
	for _, id := range ids {
		err = errors.Join(err, forget(b, id, unused))
	}
	return err
}

// lifecycleOf returns the configuration of a bucket, or nil.
func lifecycleOf(b *bbolt.Bucket) (*lifecycle, error) {
	v := b.Bucket(objects.Settings).Get(lifecycleKey)
	if v == nil {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	l, err := objects.Decode[lifecycle](v)
	return &l, err
}

// putLifecycle replaces the configuration as a whole, as S3 does.
func (s *service) putLifecycle(w http.ResponseWriter, q *request) error {
	var asked lifecycle
	err := q.document(&asked, true)
	if errors.Is(err, io.EOF) {
		err = objects.MalformedXML()
	}
	if err == nil {
		err = asked.check()
	}
	if err != nil {
		return err
	}
	data, err := json.Marshal(&asked)
	if err == nil {
		err = s.disk.Change(q.bucket, func(b *bbolt.Bucket, _ func(string)) error { return b.Bucket(objects.Settings).Put(lifecycleKey, data) })
	}
	if err != nil {
		return err
	}
	s.swept.Store(0) // the next request applies it
	w.WriteHeader(http.StatusOK)
	return nil
}

// getLifecycle answers what was put. Without one S3 answers 404, not an empty one.
func (s *service) getLifecycle(w http.ResponseWriter, q *request) error {
	var rules *lifecycle
	err := s.disk.View(q.bucket, func(b *bbolt.Bucket) (err error) {
		rules, err = lifecycleOf(b)
		return err
	})
	if err == nil && rules == nil {
		err = objects.Fail(http.StatusNotFound, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	}
	if err != nil {
		return err
	}
	rules.XMLName = xml.Name{Space: namespace, Local: "LifecycleConfiguration"}
	objects.Answer(w, http.StatusOK, rules)
	return nil
}

// deleteLifecycle removes the configuration. That there is none is no error.
func (s *service) deleteLifecycle(w http.ResponseWriter, q *request) error {
	err := s.disk.Change(q.bucket, func(b *bbolt.Bucket, _ func(string)) error { return b.Bucket(objects.Settings).Delete(lifecycleKey) })
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
