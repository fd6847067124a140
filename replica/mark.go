package replica

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/benbjohnson/litestream/s3"
)

const (
	markName = "hissa.json"

	lease      = 30 * time.Second // how long others keep away after a mark was written
	renewAfter = 8 * time.Second  // how old a mark of ours gets before it is written again
	rounding   = 2 * time.Second  // object stores tell their time in seconds
)

// Mark is what lies beside a copy.
type Mark struct {
	Epoch  int       `json:"epoch"`  // the folder that is written to
	Writer string    `json:"writer"` // of whom this is: another for each start
	Host   string    `json:"host"`   // the writer's, for people
	Until  time.Time `json:"until"`  // nobody else writes before
	At     time.Time `json:"at"`     // when the mark was written
	Seq    int64     `json:"seq"`    // the newest fact that is known to be in the copy
	Hash   string    `json:"hash"`   // the end of the chain there, in hex
	Past   []Past    `json:"past"`   // the epochs before that are still there, the oldest first
}

// Past is an epoch that is no longer written to.
type Past struct {
	Epoch int       `json:"epoch"`
	Ended time.Time `json:"ended"`
}

func parseMark(text []byte) (*Mark, error) {
	var m Mark
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	if m.Epoch < 1 || m.Writer == "" {
		return nil, errors.New("it names no epoch or no writer")
	}
	return &m, nil
}

// aged puts the mark's end into the time of this machine. Two machines' clocks may differ by more than a lease, so
// what counts is for how long the writer took the place, and how long ago that was by the clock of the place.
func (m *Mark) aged(age time.Duration) {
	lasts := m.Until.Sub(m.At)
	if lasts > 0 {
		lasts += rounding
	}
	m.Until = time.Now().Add(lasts - max(0, age))
}

func (m Mark) text() []byte {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic(err) // plain fields always encode
	}
	return append(text, '\n')
}

// errMoved says that somebody else has written the mark in between.
var errMoved = errors.New("the mark was written by somebody else")

// shelf is where the mark lies. get returns fs.ErrNotExist when there is none, and how old the mark is by the clock
// of the place; put replaces the mark of a version, "" for none, and returns errMoved when that is not the one there.
type shelf interface {
	get(context.Context) (text []byte, version string, age time.Duration, err error)
	put(ctx context.Context, text []byte, version string) (next string, err error)
	others(context.Context) (bool, error) // whether anything but a mark is there
}

// folderShelf keeps the mark in a folder. A lock makes looking and writing one step, for all
// processes that see the same folder on one machine, and over NFS from version 4.
type folderShelf struct{ folder string }

func (s folderShelf) get(context.Context) (text []byte, version string, age time.Duration, err error) {
	f, err := os.Open(filepath.Join(s.folder, markName))
	if err != nil {
		return nil, "", 0, err
	}
	defer f.Close()
	text, err = io.ReadAll(f)
	info, unknown := f.Stat()
	if err := errors.Join(err, unknown); err != nil {
		return nil, "", 0, err
	}
	return text, versionOf(text), time.Since(info.ModTime()), nil
}

func (s folderShelf) others(context.Context) (bool, error) {
	found, err := os.ReadDir(s.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.ContainsFunc(found, func(e fs.DirEntry) bool {
		return !strings.HasPrefix(e.Name(), "hissa.") && e.Name() != "lost+found"
	}), err
}

func versionOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (s folderShelf) put(ctx context.Context, text []byte, version string) (string, error) {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(s.folder, "hissa.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	_, now, _, err := s.get(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		now, err = "", nil
	}
	switch {
	case err != nil:
		return "", err
	case now != version:
		return "", errMoved
	}
	return versionOf(text), writeFile(filepath.Join(s.folder, markName), text)
}

// writeFile replaces a file so that after a power loss it is the old or the new one, whole.
func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// bucketShelf keeps the mark in an object store that knows conditional writes (If-Match and
// If-None-Match), as Amazon's does since November 2024.
type bucketShelf struct {
	like *s3.ReplicaClient // how to reach the bucket
	key  string
}

func newBucketShelf(like *s3.ReplicaClient, key string) bucketShelf { return bucketShelf{like, key} }

func (s bucketShelf) open(ctx context.Context) (*awss3.Client, error) {
	options := []func(*config.LoadOptions) error{
		config.WithRegion(s.like.Region),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(askTimeout)),
	}
	if s.like.Region == "" {
		options = append(options, config.WithDefaultRegion(s3.DefaultRegion))
	}
	if s.like.AccessKeyID != "" {
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(
				s.like.AccessKeyID, s.like.SecretAccessKey, os.Getenv("AWS_SESSION_TOKEN"))))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	return awss3.NewFromConfig(c, func(o *awss3.Options) {
		o.UsePathStyle = s.like.ForcePathStyle
		if s.like.Endpoint != "" {
			o.BaseEndpoint = aws.String(s.like.Endpoint)
			// Stores that are not Amazon's often don't know its newer checksums.
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	}), nil
}

func (s bucketShelf) get(ctx context.Context) (text []byte, version string, age time.Duration, err error) {
	c, err := s.open(ctx)
	if err != nil {
		return nil, "", 0, err
	}
	out, err := c.GetObject(ctx, &awss3.GetObjectInput{
		Bucket: aws.String(s.like.Bucket), Key: aws.String(s.key),
	})
	if code := statusOf(err); code == http.StatusNotFound && !noBucket(err) {
		return nil, "", 0, fs.ErrNotExist
	}
	if err != nil {
		return nil, "", 0, plainly(err)
	}
	defer out.Body.Close()
	there, known := middleware.GetServerTime(out.ResultMetadata)
	if !known || out.LastModified == nil {
		return nil, "", 0, errors.New("the object store says neither its time nor when it stored something")
	}
	text, err = io.ReadAll(io.LimitReader(out.Body, 1<<16))
	return text, aws.ToString(out.ETag), there.Sub(*out.LastModified), err
}

func (s bucketShelf) others(ctx context.Context) (bool, error) {
	c, err := s.open(ctx)
	if err != nil {
		return false, err
	}
	out, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{
		Bucket: aws.String(s.like.Bucket), Prefix: aws.String(path.Dir(s.key) + "/"),
		MaxKeys: aws.Int32(1),
	})
	if err != nil {
		return false, plainly(err)
	}
	return len(out.Contents) > 0, nil
}

func (s bucketShelf) put(ctx context.Context, text []byte, version string) (string, error) {
	c, err := s.open(ctx)
	if err != nil {
		return "", err
	}
	in := &awss3.PutObjectInput{
		Bucket: aws.String(s.like.Bucket), Key: aws.String(s.key),
		Body: bytes.NewReader(text), ContentType: aws.String("application/json"),
		IfMatch: aws.String(version),
	}
	if version == "" {
		in.IfMatch, in.IfNoneMatch = nil, aws.String("*")
	}
	out, err := c.PutObject(ctx, in)
	switch statusOf(err) {
	case http.StatusPreconditionFailed, http.StatusConflict:
		return "", errMoved
	}
	if err != nil {
		return "", plainly(err)
	}
	return aws.ToString(out.ETag), nil
}

// statusOf is the HTTP status of an object store's refusal, 0 when it is none.
func statusOf(err error) int {
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// noBucket tells a bucket that is missing from a missing object: a misspelt name must never look
// like an empty place.
func noBucket(err error) bool {
	var answer interface{ ErrorCode() string }
	return errors.As(err, &answer) && answer.ErrorCode() == "NoSuchBucket"
}

// plainly turns a refusal of the object store into a sentence with the next thing to do.
func plainly(err error) error {
	switch code := statusOf(err); {
	case noBucket(err):
		return errors.New("there is no such bucket: make it, or mend replica.url")
	case code == http.StatusForbidden || code == http.StatusUnauthorized:
		return fmt.Errorf("access refused (HTTP %d): check AWS_ACCESS_KEY_ID and "+
			"AWS_SECRET_ACCESS_KEY, and that the key may list, read, write and delete there", code)
	}
	return err
}
