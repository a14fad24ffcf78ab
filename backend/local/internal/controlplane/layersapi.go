package controlplane

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// A layerVersion is what PublishLayerVersion has made: it can be looked at and named by
// functions. Its content is checked and counted, and not put into /opt of agents, which is
// this machine's: agents say so in the log.
type layerVersion struct {
	Layer         string    `json:"layer"`
	Number        int       `json:"number"`
	Description   string    `json:"description"`
	License       string    `json:"license"`
	Runtimes      []string  `json:"runtimes"`
	Architectures []string  `json:"architectures"`
	Created       time.Time `json:"created"`
	SHA256        string    `json:"sha256"` // base64, of the zip
	Size          int64     `json:"size"`
}

// A layerHistory is a layer. The numbers of deleted versions are never used again.
type layerHistory struct {
	Versions []*layerVersion `json:"versions"` // oldest first
	Last     int             `json:"last"`
}

var layerName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

func (g *regional) layerArn(name string) string {
	return "arn:aws:lambda:" + g.name + ":" + wire.Account + ":layer:" + name
}

type layerShape struct {
	LayerVersionArn         string         `json:"LayerVersionArn"`
	Version                 int            `json:"Version"`
	Description             string         `json:"Description"`
	CreatedDate             string         `json:"CreatedDate"`
	CompatibleRuntimes      []string       `json:"CompatibleRuntimes,omitempty"`
	CompatibleArchitectures []string       `json:"CompatibleArchitectures,omitempty"`
	LicenseInfo             string         `json:"LicenseInfo,omitempty"`
	LayerArn                string         `json:"LayerArn,omitempty"`
	Content                 map[string]any `json:"Content,omitempty"`
}

// shape describes a version in a list.
func (v *layerVersion) shape(g *regional) layerShape {
	return layerShape{
		LayerVersionArn: g.layerArn(v.Layer) + ":" + strconv.Itoa(v.Number), Version: v.Number, Description: v.Description,
		CreatedDate: lastModified(v.Created), CompatibleRuntimes: v.Runtimes, CompatibleArchitectures: v.Architectures, LicenseInfo: v.License,
	}
}

// whole describes it alone.
func (v *layerVersion) whole(g *regional) layerShape {
	s := v.shape(g)
	s.LayerArn = g.layerArn(v.Layer)
	s.Content = map[string]any{"CodeSha256": v.SHA256, "CodeSize": v.Size} // without a Location: nobody serves it
	return s
}

func (c *call) publishLayerVersion() (any, *wire.Refusal) {
	var in struct {
		Content       codeInput `json:"Content"`
		Description   string    `json:"Description"`
		License       string    `json:"LicenseInfo"`
		Runtimes      []string  `json:"CompatibleRuntimes"`
		Architectures []string  `json:"CompatibleArchitectures"`
	}
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	name := c.r.PathValue("layer")
	switch {
	case !layerName.MatchString(name):
		return nil, wire.Validation("layerName", name, "Member must satisfy regular expression pattern: "+layerName.String())
	case len(in.License) > 512:
		return nil, wire.Validation("licenseInfo", in.License, "Member must have length less than or equal to 512")
	}
	if refused := checkDescription(in.Description); refused != nil {
		return nil, refused
	}
	data, refused := c.zipOf(&in.Content)
	if refused != nil {
		return nil, refused
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, errBadZip(err)
	}
	var size uint64
	for _, f := range archive.File {
		if size += f.UncompressedSize64; size > maxUnzipped || f.UncompressedSize64 > maxUnzipped {
			return nil, wire.InvalidParameter("Unzipped size must be smaller than " + strconv.Itoa(maxUnzipped) + " bytes")
		}
	}
	sum := sha256.Sum256(data)
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.layers[name]
	if h == nil {
		h = &layerHistory{}
		c.layers[name] = h
	}
	h.Last++
	v := &layerVersion{
		name, h.Last, in.Description, in.License, in.Runtimes, in.Architectures, time.Now(), base64.StdEncoding.EncodeToString(sum[:]), int64(len(data)),
	}
	h.Versions = append(h.Versions, v)
	return v.whole(c.regional), nil
}

// layerVersion returns the version with that number, or nil. The region's lock is held.
func (g *regional) layerVersion(name, number string) *layerVersion {
	if h := g.layers[name]; h != nil {
		for _, v := range h.Versions {
			if strconv.Itoa(v.Number) == number {
				return v
			}
		}
	}
	return nil
}

// layerByArn returns the version that an ARN names, if it is here. The region's lock is held.
func (g *regional) layerByArn(arn string) *layerVersion {
	rest, ok := strings.CutPrefix(arn, g.layerArn(""))
	name, number, _ := strings.Cut(rest, ":")
	if !ok {
		return nil
	}
	return g.layerVersion(name, number)
}

// haveLayers refuses layers that do not exist, and two versions of one.
func (g *regional) haveLayers(arns []string) *wire.Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, arn := range arns {
		if g.layerByArn(arn) == nil {
			return wire.InvalidParameter("Layer version " + arn + " does not exist. (lambdapool: local: PublishLayerVersion makes some; those of other accounts are not here)")
		}
	}
	seen := map[string]string{}
	for _, arn := range arns {
		layer := arn[:strings.LastIndexByte(arn, ':')]
		if other, twice := seen[layer]; twice {
			return wire.InvalidParameter("Two different versions of the same layer are not allowed to be referenced in the same function. " + other + " and " + arn + " are versions of the same layer")
		}
		seen[layer] = arn
	}
	return nil
}

func errNoLayer(arn string) *wire.Refusal {
	return &wire.Refusal{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "The resource you requested does not exist: " + arn}
}

func (c *call) getLayerVersion() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, number := c.r.PathValue("layer"), c.r.PathValue("version")
	if v := c.layerVersion(name, number); v != nil {
		return v.whole(c.regional), nil
	}
	return nil, errNoLayer(c.layerArn(name) + ":" + number)
}

func (c *call) deleteLayerVersion() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, number := c.r.PathValue("layer"), c.r.PathValue("version")
	if v := c.layerVersion(name, number); v != nil { // none is no error, as on Lambda
		h := c.layers[name]
		h.Versions = slices.DeleteFunc(h.Versions, func(other *layerVersion) bool { return other == v })
	}
	return nil, nil
}

func (c *call) listLayerVersions() (any, *wire.Refusal) {
	p, refused := c.paging()
	if refused != nil {
		return nil, refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []layerShape{}
	if h := c.layers[c.r.PathValue("layer")]; h != nil {
		for _, v := range slices.Backward(h.Versions) { // newest first
			all = append(all, v.shape(c.regional))
		}
	}
	versions, next := page(p, all, func(s layerShape) string { return versionKey(strconv.Itoa(1_000_000_000 - s.Version)) })
	return struct {
		LayerVersions []layerShape `json:"LayerVersions"`
		NextMarker    *string      `json:"NextMarker,omitempty"`
	}{versions, next}, nil
}

// listLayers serves GetLayerVersionByArn too, which is at the same place.
func (c *call) listLayers() (any, *wire.Refusal) {
	if query := c.r.URL.Query(); query.Get("find") == "LayerVersion" {
		arn := query.Get("Arn")
		if !layerPattern.MatchString(arn) {
			return nil, wire.Validation("arn", arn, "Member must satisfy regular expression pattern: "+layerPattern.String())
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if v := c.layerByArn(arn); v != nil {
			return v.whole(c.regional), nil
		}
		return nil, errNoLayer(arn)
	}
	p, refused := c.paging()
	if refused != nil {
		return nil, refused
	}
	type item struct {
		LayerName             string     `json:"LayerName"`
		LayerArn              string     `json:"LayerArn"`
		LatestMatchingVersion layerShape `json:"LatestMatchingVersion"`
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []item{}
	for name, h := range c.layers {
		if n := len(h.Versions); n > 0 {
			all = append(all, item{name, c.layerArn(name), h.Versions[n-1].shape(c.regional)})
		}
	}
	slices.SortFunc(all, func(a, b item) int { return strings.Compare(a.LayerName, b.LayerName) })
	layers, next := page(p, all, func(i item) string { return i.LayerName })
	return struct {
		Layers     []item  `json:"Layers"`
		NextMarker *string `json:"NextMarker,omitempty"`
	}{layers, next}, nil
}
