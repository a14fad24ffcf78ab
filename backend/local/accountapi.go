package local

import (
	"fmt"
	"maps"
)

func (c *call) putConcurrency() (any, *apiError) {
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
		return nil, errInvalidParameter("ReservedConcurrentExecutions is a mandatory parameter.")
	case *in.Reserved < 0:
		return nil, errValidation("reservedConcurrentExecutions", fmt.Sprint(*in.Reserved), "Member must have value greater than or equal to 0")
	case !f.quota.reserve(*in.Reserved):
		return nil, errInvalidParameter(fmt.Sprintf("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved))
	}
	return map[string]int{"ReservedConcurrentExecutions": *in.Reserved}, nil
}

func (c *call) getConcurrency() (any, *apiError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	answer := map[string]int{}
	if n := f.quota.reservation(); n >= 0 {
		answer["ReservedConcurrentExecutions"] = n
	}
	return answer, nil
}

func (c *call) deleteConcurrency() (any, *apiError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	f.quota.reserve(-1)
	return nil, nil
}

// tagged is the function whose ARN the path holds. The region's lock is held.
func (c *call) tagged() (*resource, *apiError) {
	arn := c.r.PathValue("arn")
	id, refused := identify(arn, "", c.name)
	switch {
	case refused != nil || len(arn) < 4 || arn[:4] != "arn:":
		return nil, errValidation("resource", arn, "Member must be the ARN of a function")
	case id.qualifier != "":
		return nil, errInvalidParameter("Tags on function aliases and versions are not supported. Please specify either a function name or an unqualified function ARN.")
	}
	return c.function(id)
}

func (c *call) listTags() (any, *apiError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.tagged()
	if refused != nil {
		return nil, refused
	}
	return map[string]any{"Tags": maps.Clone(f.tags)}, nil
}

func (c *call) tagResource() (any, *apiError) {
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

func (c *call) untagResource() (any, *apiError) {
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

func (c *call) getAccountSettings() (any, *apiError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return map[string]map[string]int64{
		"AccountLimit": {
			"TotalCodeSize":                  c.server.codes.limit,
			"CodeSizeUnzipped":               maxUnzipped,
			"CodeSizeZipped":                 maxZipped,
			"ConcurrentExecutions":           int64(c.account.limit),
			"UnreservedConcurrentExecutions": int64(c.account.unreserved()),
		},
		"AccountUsage": {
			"TotalCodeSize": c.stored(),
			"FunctionCount": int64(len(c.functions)),
		},
	}, nil
}

// listLayers says that there are none: nobody can publish one here.
func (c *call) listLayers() (any, *apiError) {
	return map[string][]any{"Layers": {}}, nil
}
