package runlocal

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// The enumerations of the APIs. As everywhere in Google's JSON, a client may send a name or the number; it is
// answered with the name. Numbers: https://github.com/googleapis/googleapis/tree/master/google/cloud/run/v2, 2026-11.
type (
	ingress        string
	launchStage    string
	environment    string // that executes
	conditionState string
	allocation     string // of traffic
	format         string // of a repository
	mode           string // of a repository
)

var (
	ingresses    = []string{"INGRESS_TRAFFIC_UNSPECIFIED", "INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_ONLY", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", "INGRESS_TRAFFIC_NONE"}
	launchStages = []string{"LAUNCH_STAGE_UNSPECIFIED", "EARLY_ACCESS", "ALPHA", "BETA", "GA", "DEPRECATED", "UNIMPLEMENTED", "PRELAUNCH"}
	environments = []string{"EXECUTION_ENVIRONMENT_UNSPECIFIED", "EXECUTION_ENVIRONMENT_GEN1", "EXECUTION_ENVIRONMENT_GEN2"}
	formats      = []string{"FORMAT_UNSPECIFIED", "DOCKER", "MAVEN", "NPM", "", "APT", "YUM", "", "PYTHON", "KFP", "GO", "GENERIC"}
	modes        = []string{"MODE_UNSPECIFIED", "STANDARD_REPOSITORY", "VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY"}
	allocations  = []string{"TRAFFIC_TARGET_ALLOCATION_TYPE_UNSPECIFIED", toLatest, toRevision}
	states       = []string{"STATE_UNSPECIFIED", "CONDITION_PENDING", "CONDITION_RECONCILING", "CONDITION_FAILED", "CONDITION_SUCCEEDED"}
)

// named reads a value of an enumeration: "" is what is not specified.
func named[E ~string](into *E, data []byte, names []string) error {
	var name string
	if number, err := strconv.Atoi(string(data)); err == nil {
		if number < 0 || number >= len(names) {
			return fmt.Errorf("%d is not known", number)
		}
		name = names[number]
	} else if err := json.Unmarshal(data, &name); err != nil {
		return err
	}
	switch at := slices.Index(names, name); {
	case at < 0 && name != "":
		return fmt.Errorf("Invalid value (%q)", name) //nolint:staticcheck // Google's words
	case at == 0:
		name = ""
	}
	*into = E(name)
	return nil
}

func (e *ingress) UnmarshalJSON(data []byte) error        { return named(e, data, ingresses) }
func (e *launchStage) UnmarshalJSON(data []byte) error    { return named(e, data, launchStages) }
func (e *environment) UnmarshalJSON(data []byte) error    { return named(e, data, environments) }
func (e *allocation) UnmarshalJSON(data []byte) error     { return named(e, data, allocations) }
func (e *conditionState) UnmarshalJSON(data []byte) error { return named(e, data, states) }
func (e *format) UnmarshalJSON(data []byte) error         { return named(e, data, formats) }
func (e *mode) UnmarshalJSON(data []byte) error           { return named(e, data, modes) }
