package controlplane

import (
	"fmt"
	"maps"

	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

func (c *call) putConcurrency() (any, *wire.Refusal) {
	var in struct {
		Reserved *int `json:"ReservedConcurrentExecutions"`
	}
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	switch {
	case refused != nil:
		return nil, refused
	case in.Reserved == nil:
		return nil, wire.InvalidParameter("ReservedConcurrentExecutions is a mandatory parameter.")
	case *in.Reserved < 0:
		return nil, wire.Validation("reservedConcurrentExecutions", fmt.Sprint(*in.Reserved), "Member must have value greater than or equal to 0")
	case !f.quota.Reserve(*in.Reserved):
		return nil, wire.InvalidParameter(fmt.Sprintf("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", service.MinUnreserved))
	}
	return map[string]int{"ReservedConcurrentExecutions": *in.Reserved}, nil
}

func (c *call) getConcurrency() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	answer := map[string]int{}
	if n := f.quota.Reservation(); n >= 0 {
		answer["ReservedConcurrentExecutions"] = n
	}
	return answer, nil
}

func (c *call) deleteConcurrency() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	f.quota.Reserve(-1)
	return nil, nil
}

// tagged is the function whose ARN the path holds. The region's lock is held.
func (c *call) tagged() (*resource, *wire.Refusal) {
	arn := c.r.PathValue("arn")
	id, refused := wire.Identify(arn, "", c.name)
	switch {
	case refused != nil || len(arn) < 4 || arn[:4] != "arn:":
		return nil, wire.Validation("resource", arn, "Member must be the ARN of a function")
	case id.Qualifier != "":
		return nil, wire.InvalidParameter("Tags on function aliases and versions are not supported. Please specify either a function name or an unqualified function ARN.")
	}
	return c.function(id)
}

func (c *call) listTags() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.tagged()
	if refused != nil {
		return nil, refused
	}
	return map[string]any{"Tags": maps.Clone(f.tags)}, nil
}

func (c *call) tagResource() (any, *wire.Refusal) {
	var in struct {
		Tags map[string]string `json:"Tags"`
	}
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.tagged()
	if refused != nil {
		return nil, refused
	}
	tags := maps.Clone(f.tags)
	maps.Copy(tags, in.Tags)
	if refused := checkTags(tags); refused != nil {
		return nil, refused
	}
	f.tags = tags
	return nil, nil
}

func (c *call) untagResource() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.tagged()
	if refused != nil {
		return nil, refused
	}
	for _, key := range c.r.URL.Query()["tagKeys"] {
		delete(f.tags, key)
	}
	return nil, nil
}

func (c *call) getAccountSettings() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return map[string]map[string]int64{
		"AccountLimit": {
			"TotalCodeSize":                  c.lambda.codes.limit,
			"CodeSizeUnzipped":               maxUnzipped,
			"CodeSizeZipped":                 maxZipped,
			"ConcurrentExecutions":           int64(c.account.Limit()),
			"UnreservedConcurrentExecutions": int64(c.account.Unreserved()),
		},
		"AccountUsage": {
			"TotalCodeSize": c.stored(),
			"FunctionCount": int64(len(c.functions)),
		},
	}, nil
}
