package controlplane

import (
	"encoding/json"
)

// A functionConfiguration is
// https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html
type functionConfiguration struct {
	FunctionName     string            `json:"FunctionName"`
	FunctionArn      string            `json:"FunctionArn"`
	Runtime          string            `json:"Runtime"`
	Role             string            `json:"Role"`
	Handler          string            `json:"Handler"`
	CodeSize         int64             `json:"CodeSize"`
	Description      string            `json:"Description"`
	Timeout          int               `json:"Timeout"`
	MemorySize       int               `json:"MemorySize"`
	LastModified     string            `json:"LastModified"`
	CodeSha256       string            `json:"CodeSha256"`
	Version          string            `json:"Version"`
	Environment      *environmentInput `json:"Environment,omitempty"`
	KMSKeyArn        string            `json:"KMSKeyArn,omitempty"`
	VpcConfig        json.RawMessage   `json:"VpcConfig,omitempty"`
	DeadLetterConfig json.RawMessage   `json:"DeadLetterConfig,omitempty"`
	TracingConfig    tracingConfig     `json:"TracingConfig"`
	RevisionID       string            `json:"RevisionId"`
	Layers           []layer           `json:"Layers,omitempty"`
	PackageType      string            `json:"PackageType"`
	Architectures    []string          `json:"Architectures"`
	EphemeralStorage ephemeralStorage  `json:"EphemeralStorage"`
	SnapStart        snapStart         `json:"SnapStart"`
	LoggingConfig    loggingConfig     `json:"LoggingConfig"`

	State            string `json:"State,omitempty"`
	StateReason      string `json:"StateReason,omitempty"`
	StateReasonCode  string `json:"StateReasonCode,omitempty"`
	LastUpdateStatus string `json:"LastUpdateStatus,omitempty"`
}

type layer struct {
	Arn      string `json:"Arn"`
	CodeSize int64  `json:"CodeSize,omitempty"` // not known here
}

// describe returns a version's configuration under the name of arn, without its state.
func (v *version) describe(arn string) *functionConfiguration {
	s := &v.settings
	c := &functionConfiguration{
		FunctionName:     s.name,
		FunctionArn:      arn,
		Runtime:          s.runtime,
		Role:             s.role,
		Handler:          s.handler,
		CodeSize:         s.code.size,
		Description:      s.description,
		Timeout:          s.timeout,
		MemorySize:       s.memory,
		LastModified:     lastModified(v.modified),
		CodeSha256:       s.code.sha256,
		Version:          v.number,
		KMSKeyArn:        s.kmsKey,
		VpcConfig:        s.vpc,
		DeadLetterConfig: s.deadLetter,
		TracingConfig:    tracingConfig{Mode: s.tracing},
		RevisionID:       v.revisionID(),
		PackageType:      "Zip",
		Architectures:    []string{s.arch},
		EphemeralStorage: ephemeralStorage{Size: s.ephemeral},
		SnapStart:        snapStart{ApplyOn: "None", OptimizationStatus: "Off"},
		LoggingConfig:    s.logging,
	}
	if len(s.environment) > 0 {
		c.Environment = &environmentInput{Variables: s.environment}
	}
	for _, arn := range s.layers {
		c.Layers = append(c.Layers, layer{Arn: arn})
	}
	return c
}

// withState adds how far the last change has come.
func (v *version) withState(arn string) *functionConfiguration {
	return v.describe(arn).in(v, v.busy())
}

// underWay is what the answer to a change says: that it has begun, however
// soon it is done.
func (v *version) underWay(arn string) *functionConfiguration {
	c := v.describe(arn).in(v, true)
	c.RevisionID = v.interim
	return c
}

func (c *functionConfiguration) in(v *version, busy bool) *functionConfiguration {
	switch {
	case busy && v.created:
		c.State, c.StateReason, c.StateReasonCode = "Pending", "The function is being created.", "Creating"
	case busy:
		c.State, c.LastUpdateStatus = "Active", "InProgress"
	default:
		c.State, c.LastUpdateStatus = "Active", "Successful"
	}
	return c
}
