package runlocal

import "time"

// The resources of the Admin API v2, with the fields that are understood here. What else a client sends is
// refused, since it would have no effect.
// https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services

type serviceJSON struct {
	Name               string            `json:"name"`
	Description        string            `json:"description,omitempty"`
	UID                string            `json:"uid,omitempty"`
	Generation         int64             `json:"generation,string,omitempty"`
	Labels             map[string]string `json:"labels,omitempty"`
	Annotations        map[string]string `json:"annotations,omitempty"`
	CreateTime         *time.Time        `json:"createTime,omitempty"`
	UpdateTime         *time.Time        `json:"updateTime,omitempty"`
	Creator            string            `json:"creator,omitempty"`
	LastModifier       string            `json:"lastModifier,omitempty"`
	Client             string            `json:"client,omitempty"`
	ClientVersion      string            `json:"clientVersion,omitempty"`
	Ingress            ingress           `json:"ingress,omitempty"`
	LaunchStage        launchStage       `json:"launchStage,omitempty"`
	Template           *templateJSON     `json:"template,omitempty"`
	Scaling            *scalingJSON      `json:"scaling,omitempty"`
	InvokerIAMDisabled bool              `json:"invokerIamDisabled,omitempty"`
	CustomAudiences    []string          `json:"customAudiences,omitempty"`
	ObservedGeneration int64             `json:"observedGeneration,string,omitempty"`
	TerminalCondition  *conditionJSON    `json:"terminalCondition,omitempty"`
	LatestReady        string            `json:"latestReadyRevision,omitempty"`
	LatestCreated      string            `json:"latestCreatedRevision,omitempty"`
	Traffic            []trafficJSON     `json:"traffic,omitempty"`
	TrafficStatuses    []trafficJSON     `json:"trafficStatuses,omitempty"`
	URI                string            `json:"uri,omitempty"`
	URLs               []string          `json:"urls,omitempty"`
	Reconciling        bool              `json:"reconciling,omitempty"`
	ETag               string            `json:"etag,omitempty"`
}

type templateJSON struct {
	Revision             string            `json:"revision,omitempty"`
	Labels               map[string]string `json:"labels,omitempty"`
	Annotations          map[string]string `json:"annotations,omitempty"`
	Scaling              *scalingJSON      `json:"scaling,omitempty"`
	Timeout              string            `json:"timeout,omitempty"`
	ServiceAccount       string            `json:"serviceAccount,omitempty"`
	Containers           []containerJSON   `json:"containers,omitempty"`
	ExecutionEnvironment environment       `json:"executionEnvironment,omitempty"`
	Concurrency          int               `json:"maxInstanceRequestConcurrency,omitempty"`
}

type scalingJSON struct {
	MinInstanceCount int     `json:"minInstanceCount,omitempty"`
	MaxInstanceCount int     `json:"maxInstanceCount,omitempty"`
	CPU              float64 `json:"cpuUtilization,omitempty"` // kept, and without effect: nothing scales ahead of demand here
	Concurrency      float64 `json:"concurrencyUtilization,omitempty"`
}

type containerJSON struct {
	Name      string         `json:"name,omitempty"`
	Image     string         `json:"image"`
	BaseImage string         `json:"baseImageUri,omitempty"`
	Source    *sourceJSON    `json:"sourceCode,omitempty"`
	Command   []string       `json:"command,omitempty"`
	Args      []string       `json:"args,omitempty"`
	Env       []envJSON      `json:"env,omitempty"`
	Resources *resourcesJSON `json:"resources,omitempty"`
	Ports     []portJSON     `json:"ports,omitempty"`
}

// A sourceJSON is where the code of a container without an image is. Source inlined in the request, which is text, is
// not served here.
type sourceJSON struct {
	Storage *storageJSON `json:"cloudStorageSource,omitempty"`
}

type storageJSON struct {
	Bucket     string `json:"bucket"`
	Object     string `json:"object"`
	Generation int64  `json:"generation,string,omitempty"`
}

type envJSON struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

type resourcesJSON struct {
	Limits          map[string]string `json:"limits,omitempty"`
	CPUIdle         bool              `json:"cpuIdle,omitempty"`
	StartupCPUBoost bool              `json:"startupCpuBoost,omitempty"`
}

type portJSON struct {
	Name          string `json:"name,omitempty"`
	ContainerPort int    `json:"containerPort,omitempty"`
}

type conditionJSON struct {
	Type    string         `json:"type"`
	State   conditionState `json:"state"`
	Message string         `json:"message,omitempty"`
	Reason  string         `json:"revisionReason,omitempty"`
}

// operation is google.longrunning.Operation.
type operation struct {
	Name     string         `json:"name"`
	Metadata map[string]any `json:"metadata,omitempty"`
	Done     bool           `json:"done,omitempty"`
	Error    map[string]any `json:"error,omitempty"`
	Response map[string]any `json:"response,omitempty"`

	done chan struct{}
}
