package s3local

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"

	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// region is where all buckets are.
const region = "us-east-1"

// An identity is of the owner, who is the only one.
type identity struct {
	ID   string `xml:"ID"`
	Name string `xml:"DisplayName,omitempty"`
}

// createConfiguration is what CreateBucket may say. The region that it names is not looked at:
// there is one.
type createConfiguration struct {
	XMLName    xml.Name `xml:"CreateBucketConfiguration"`
	Constraint string   `xml:"LocationConstraint"`
	Others     []struct {
		XMLName xml.Name
	} `xml:",any"`
}

// createBucket makes a bucket. One that is there is 409 BucketAlreadyOwnedByYou, since there is no
// other owner.
func (s *service) createBucket(w http.ResponseWriter, q *request) error {
	var asked createConfiguration
	if err := q.document(&asked, false); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(asked.Others) > 0 {
		return objects.NotServed("CreateBucket with " + asked.Others[0].XMLName.Local)
	}
	if err := s.disk.Create(q.bucket); err != nil {
		return err
	}
	w.Header().Set("Location", "/"+q.bucket)
	w.WriteHeader(http.StatusOK)
	return nil
}

// headBucket says whether a bucket is there, and where: clients that guess the region ask for that.
func (s *service) headBucket(w http.ResponseWriter, q *request) error {
	if err := s.disk.Has(q.bucket); err != nil {
		return err
	}
	w.Header()["x-amz-bucket-region"] = []string{region}
	w.WriteHeader(http.StatusOK)
	return nil
}

// deleteBucket removes a bucket that has neither objects nor uploads, as S3 demands.
func (s *service) deleteBucket(w http.ResponseWriter, q *request) error {
	if err := s.disk.DeleteBucket(q.bucket); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// bucketList and listedBucket are what ListBuckets answers.
type bucketList struct {
	XMLName xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   identity       `xml:"Owner"`
	Buckets []listedBucket `xml:"Buckets>Bucket"`
}

type listedBucket struct {
	Name    string `xml:"Name"`
	Created string `xml:"CreationDate"`
}

// listBuckets lists all buckets. Their time is that of the directory: when each was made is not
// kept.
func (s *service) listBuckets(w http.ResponseWriter, _ *request) error {
	list := bucketList{Owner: s.owner}
	made, err := s.disk.Made()
	if err != nil {
		return err
	}
	err = s.disk.Buckets(func(name string, _ *bbolt.Bucket) error {
		list.Buckets = append(list.Buckets, listedBucket{name, objects.Timestamp(made)})
		return nil
	})
	if err != nil {
		return err
	}
	objects.Answer(w, http.StatusOK, &list)
	return nil
}

type location struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
}

// getLocation answers that of us-east-1, which is empty.
func (s *service) getLocation(w http.ResponseWriter, q *request) error {
	if err := s.disk.Has(q.bucket); err != nil {
		return err
	}
	objects.Answer(w, http.StatusOK, &location{})
	return nil
}

type versioning struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ VersioningConfiguration"`
}

// getVersioning answers that there never was any.
func (s *service) getVersioning(w http.ResponseWriter, q *request) error {
	if err := s.disk.Has(q.bucket); err != nil {
		return err
	}
	objects.Answer(w, http.StatusOK, &versioning{})
	return nil
}

const instance = "http://www.w3.org/2001/XMLSchema-instance"

// accessPolicy, grant and grantee are the document of an ACL.
type accessPolicy struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ AccessControlPolicy"`
	Owner   identity `xml:"Owner"`
	Grants  []grant  `xml:"AccessControlList>Grant"`
}

type grant struct {
	Grantee    grantee `xml:"Grantee"`
	Permission string  `xml:"Permission"`
}

type grantee struct {
	identity

	Instance string `xml:"xmlns:xsi,attr,omitempty"`
	Type     string `xml:"xsi:type,attr,omitempty"`
	URI      string `xml:"URI,omitempty"`
	Email    string `xml:"EmailAddress,omitempty"`
}

// there says whether what a request is about exists.
func (s *service) there(q *request) error {
	if q.key == "" {
		return s.disk.Has(q.bucket)
	}
	_, err := s.disk.Look(q.bucket, q.key)
	return err
}

// getACL answers that of all there is: the owner may do everything, and nobody else.
func (s *service) getACL(w http.ResponseWriter, q *request) error {
	if err := s.there(q); err != nil {
		return err
	}
	objects.Answer(w, http.StatusOK, &accessPolicy{Owner: s.owner, Grants: []grant{
		{grantee{identity: s.owner, Instance: instance, Type: "CanonicalUser"}, "FULL_CONTROL"},
	}})
	return nil
}

// putACL takes the ACL that everything has. There is no other.
func (s *service) putACL(w http.ResponseWriter, q *request) error {
	var asked struct {
		XMLName xml.Name `xml:"AccessControlPolicy"`
		Owner   identity `xml:"Owner"`
		Grants  []struct {
			ID         string `xml:"Grantee>ID"`
			URI        string `xml:"Grantee>URI"`
			Email      string `xml:"Grantee>EmailAddress"`
			Permission string `xml:"Permission"`
		} `xml:"AccessControlList>Grant"`
	}
	err := q.document(&asked, false)
	canned := q.header[aclHeader] != "" // which is private
	switch {
	case errors.Is(err, io.EOF):
		if !canned {
			return objects.Invalid("MissingSecurityHeader", "Your request was missing a required header")
		}
	case err != nil:
		return err
	case canned:
		return objects.Invalid("UnexpectedContent", "This request does not support content")
	default:
		for _, g := range asked.Grants {
			if g.ID != s.owner.ID || g.URI != "" || g.Email != "" || g.Permission != "FULL_CONTROL" {
				return objects.NotServed("an ACL that is not private")
			}
		}
		if len(asked.Grants) != 1 {
			return objects.NotServed("an ACL that is not private")
		}
	}
	if err := s.there(q); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
