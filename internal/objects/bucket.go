package objects

import (
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// CheckBucket says what is wrong with a bucket's name. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, 2026-11.
func CheckBucket(name string) error {
	if !bucketName.MatchString(name) || strings.Contains(name, "..") || net.ParseIP(name) != nil {
		return Invalid("InvalidBucketName", "The specified bucket is not valid: a name is 3 to 63 lower-case letters, digits, dots and hyphens")
	}
	return nil
}

// Create makes a bucket.
func (d *Disk) Create(name string) error {
	if err := CheckBucket(name); err != nil {
		return err
	}
	return d.index.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(name)) != nil {
			return Fail(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
		}
		b, err := tx.CreateBucket([]byte(name))
		if err != nil {
			return err
		}
		return makeTables(b)
	})
}

// Has fails where there is no such bucket.
func (d *Disk) Has(name string) error {
	return d.View(name, func(*bbolt.Bucket) error { return nil })
}

// DeleteBucket removes a bucket that has nothing in it.
func (d *Disk) DeleteBucket(name string) error {
	return d.index.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(name))
		if b == nil {
			return NoSuchBucket(name)
		}
		for _, table := range [][]byte{Entries, Uploads} {
			if first, _ := b.Bucket(table).Cursor().First(); first != nil {
				return Fail(http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty")
			}
		}
		return tx.DeleteBucket([]byte(name))
	})
}

// Buckets reads all buckets in the order of their names. What read returns ends it.
func (d *Disk) Buckets(read func(name string, b *bbolt.Bucket) error) error {
	return d.index.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return read(string(name), b) })
	})
}

// Made returns when the directory was changed last: when a bucket was made is not kept.
func (d *Disk) Made() (time.Time, error) {
	info, err := os.Stat(d.path(""))
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
