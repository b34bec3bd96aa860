package handlers

import (
	_ "embed" // the description
	"fmt"
	"slices"
	"sync"

	"github.com/gin-gonic/gin"
)

//go:embed openapi.yaml
var openAPI []byte

// specOf is the description for what is below a base path, made once.
func specOf(base string) func() asset {
	return sync.OnceValue(func() asset {
		if base == "" {
			return newAsset(openAPI)
		}
		return newAsset(fmt.Appendf(slices.Clip(openAPI), "servers:\n  - url: %q\n", base))
	})
}

func (s *Server) spec(c *gin.Context) {
	s.specFile().serve(c, "application/yaml; charset=utf-8", "no-cache")
}

// Description is the OpenAPI description of the HTTP API, in YAML.
func Description() []byte { return openAPI }
