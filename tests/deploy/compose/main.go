// Reads a compose file as Docker Compose does (its own library: schema, variables, names that must exist) and prints it as
// JSON with everything filled in. Usage: compose_check FILE
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/cli"
)

func main() {
	options, err := cli.NewProjectOptions(os.Args[1:], cli.WithOsEnv)
	if err == nil {
		var project any
		if project, err = cli.ProjectFromOptions(options); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(project)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
