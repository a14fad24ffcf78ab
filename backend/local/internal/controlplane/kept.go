package controlplane

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/iam"
	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// What a Lambda has in its directory: what it was told and the code of its functions. The
// events that wait are in service.QueueDir.
const (
	stateFile = "state.json"
	codeDir   = "code"
)

func codePath(sha256 string) string {
	sum, _ := base64.StdEncoding.DecodeString(sha256) // our own
	return filepath.Join(codeDir, hex.EncodeToString(sum)+".zip")
}

// keepCode keeps a zip.
func keepCode(k *keep.Dir, c *code, data []byte) *wire.Refusal {
	if k == nil {
		return nil
	}
	if err := k.Write(codePath(c.sha256), data); err != nil {
		return wire.Failed("the code cannot be kept", err)
	}
	return nil
}

// What is kept of a Lambda, as JSON.
type (
	keptState struct {
		Functions []keptFunction                      `json:"functions"`
		Layers    map[string]map[string]*layerHistory `json:"layers"` // by region and name

		iam.State
	}
	keptFunction struct {
		Region    string                      `json:"region"`
		Name      string                      `json:"name"`
		Arn       string                      `json:"arn"`
		Tags      map[string]string           `json:"tags"`
		Reserved  int                         `json:"reserved"` // -1: nothing
		Latest    keptVersion                 `json:"latest"`
		Published []keptVersion               `json:"published"`
		Last      int                         `json:"last"`
		Aliases   []keptAlias                 `json:"aliases"`
		Events    map[string]keptEventsConfig `json:"events"`

		Permissions []permission `json:"permissions"`
	}
	keptVersion struct {
		Number      string            `json:"number"`
		Modified    time.Time         `json:"modified"`
		Revision    string            `json:"revision"`
		Code        string            `json:"code"` // its SHA-256, base64
		Role        string            `json:"role"`
		Runtime     string            `json:"runtime"`
		Handler     string            `json:"handler"`
		Description string            `json:"description"`
		Memory      int               `json:"memory"`
		Timeout     int               `json:"timeout"`
		Environment map[string]string `json:"environment"`
		Layers      []string          `json:"layers"`
		Ephemeral   int               `json:"ephemeral"`
		Logging     loggingConfig     `json:"logging"`
		Arch        string            `json:"arch"`
		KMSKey      string            `json:"kmsKey"`
		Tracing     string            `json:"tracing"`
		VPC         json.RawMessage   `json:"vpc,omitempty"`
		DeadLetter  json.RawMessage   `json:"deadLetter,omitempty"`
	}
	keptAlias struct {
		Name        string             `json:"name"`
		Version     string             `json:"version"`
		Description string             `json:"description"`
		Revision    string             `json:"revision"`
		Weights     map[string]float64 `json:"weights"`
	}
	keptEventsConfig struct {
		eventInvokeConfig

		Modified time.Time `json:"modified"`
	}
)

// save keeps what the Lambda knows now.
func (l *Lambda) save() *wire.Refusal {
	k := l.cfg.Data
	if k == nil {
		return nil
	}
	l.saving.Lock()
	defer l.saving.Unlock()
	data, err := json.MarshalIndent(l.state(), "", " ")
	if err != nil {
		panic(err) // its shapes always marshal
	}
	if err := k.Write(stateFile, data); err != nil {
		return wire.Failed("the change was made, and cannot be kept", err)
	}
	return nil
}

func (l *Lambda) state() *keptState {
	l.mu.Lock()
	regions := maps.Clone(l.regions)
	l.mu.Unlock()
	state := &keptState{Layers: map[string]map[string]*layerHistory{}, State: l.iam.State()}
	for _, region := range slices.Sorted(maps.Keys(regions)) {
		g := regions[region]
		g.mu.Lock()
		for _, name := range slices.Sorted(maps.Keys(g.functions)) {
			state.Functions = append(state.Functions, g.functions[name].kept(region, name))
		}
		layers := map[string]*layerHistory{}
		for name, h := range g.layers {
			layers[name] = &layerHistory{slices.Clone(h.Versions), h.Last}
		}
		state.Layers[region] = layers
		g.mu.Unlock()
	}
	return state
}

// kept is the function as it is kept. The region's lock is held.
func (f *resource) kept(region, name string) keptFunction {
	k := keptFunction{
		Region: region, Name: name, Arn: f.arn, Tags: maps.Clone(f.tags), Reserved: f.quota.Reservation(),
		Latest: f.latest.kept(), Last: f.last, Events: map[string]keptEventsConfig{},
		Permissions: slices.Clone(f.permissions),
	}
	for _, v := range f.published {
		k.Published = append(k.Published, v.kept())
	}
	for _, name := range slices.Sorted(maps.Keys(f.aliases)) {
		a := f.aliases[name]
		k.Aliases = append(k.Aliases, keptAlias{a.name, a.version, a.description, a.revision, maps.Clone(a.weights)})
	}
	for qualifier, c := range f.events {
		k.Events[qualifier] = keptEventsConfig{*c, c.modified}
	}
	return k
}

func (v *version) kept() keptVersion {
	s := &v.settings
	return keptVersion{
		v.number, v.modified, v.revision, s.code.sha256, s.role, s.runtime, s.handler, s.description, s.memory, s.timeout,
		maps.Clone(s.environment), slices.Clone(s.layers), s.ephemeral, s.logging, s.arch, s.kmsKey, s.tracing, s.vpc, s.deadLetter,
	}
}

// restore makes the Lambda know what was kept. Nobody uses it yet.
func (l *Lambda) restore() error {
	data, err := os.ReadFile(l.cfg.Data.Path(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var state keptState
	if err == nil {
		err = json.Unmarshal(data, &state)
	}
	if err != nil {
		return fmt.Errorf("%s: %w (remove it, and nothing is known of before)", l.cfg.Data.Path(stateFile), err)
	}
	l.iam.Restore(state.State)
	for region, layers := range state.Layers {
		maps.Copy(l.region(region).layers, layers)
	}
	codes := map[string]*code{}
	defer func() {
		for _, c := range codes { // of the reading of it
			l.codes.release(c)
		}
	}()
	for i := range state.Functions {
		if err := l.restoreFunction(&state.Functions[i], codes); err != nil {
			return fmt.Errorf("function %s: %w", state.Functions[i].Arn, err)
		}
	}
	return dropCode(l.cfg.Data, codes)
}

func (l *Lambda) restoreFunction(k *keptFunction, codes map[string]*code) error {
	g := l.region(k.Region)
	f := &resource{
		arn: k.Arn, tags: map[string]string{}, last: k.Last, aliases: map[string]*alias{}, events: map[string]*eventInvokeConfig{},
		permissions: k.Permissions,
		quota:       g.account.Quota(), starts: g.lambda.cfg.Law.Starts(),
	}
	maps.Copy(f.tags, k.Tags)
	f.quota.Reserve(k.Reserved)
	var err error
	if f.latest, err = l.restoreVersion(k.Name, &k.Latest, codes); err != nil {
		return err
	}
	for i := range k.Published {
		v, err := l.restoreVersion(k.Name, &k.Published[i], codes)
		if err != nil {
			return err
		}
		f.published = append(f.published, v)
	}
	for _, a := range k.Aliases {
		f.aliases[a.Name] = &alias{name: a.Name, version: a.Version, description: a.Description, revision: a.Revision, weights: a.Weights}
	}
	for qualifier, c := range k.Events {
		c.modified = c.Modified
		f.events[qualifier] = &c.eventInvokeConfig
	}
	g.functions[k.Name] = f
	return nil
}

// restoreVersion unpacks the version's code, once for all that have it.
func (l *Lambda) restoreVersion(name string, k *keptVersion, codes map[string]*code) (*version, error) {
	c := codes[k.Code]
	if c == nil {
		data, err := os.ReadFile(l.cfg.Data.Path(codePath(k.Code)))
		if err != nil {
			return nil, err
		}
		var refused *wire.Refusal
		if c, refused = l.codes.unpack(data); refused != nil {
			return nil, errors.New(refused.Message)
		}
		codes[k.Code] = c
	}
	c.retain()
	return &version{
		number: k.Number, modified: k.Modified, revision: k.Revision, interim: k.Revision,
		settings: settings{
			name: name, code: c, role: k.Role, runtime: k.Runtime, handler: k.Handler, description: k.Description, memory: k.Memory,
			timeout: k.Timeout, environment: k.Environment, layers: k.Layers, ephemeral: k.Ephemeral, logging: k.Logging, arch: k.Arch,
			kmsKey: k.KMSKey, tracing: k.Tracing, vpc: k.VPC, deadLetter: k.DeadLetter,
		},
	}, nil
}

// dropCode removes the zips that no function has any more.
func dropCode(k *keep.Dir, used map[string]*code) error {
	wanted := map[string]bool{}
	for sha256 := range used {
		wanted[filepath.Base(codePath(sha256))] = true
	}
	files, err := os.ReadDir(k.Path(codeDir))
	for _, f := range files {
		if !wanted[f.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(k.Path(codeDir), f.Name())))
		}
	}
	return err
}

// restoreQueue has the events run that were waiting, or running, when the Lambda before this
// one ended.
func (l *Lambda) restoreQueue() error {
	all, err := service.KeptEvents(l.cfg.Data)
	for _, e := range all {
		fn, over, refused := l.resolve(e.Function())
		if refused != nil {
			l.cfg.Environments.Logger.Warn("event dropped", slog.String("request", e.ID()), slog.String("why", refused.Message))
			err = errors.Join(err, e.Drop())
			continue
		}
		fn.Restore(e, over)
	}
	return err
}
