// Command app is Bellhop: a broker for customer-service chat. Alone it serves,
// with everything it needs embedded; see README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // queues name time zones, and a container may have none

	"bellhop/files"
	"bellhop/internal/cli"
)

// Exit statuses.
const (
	exitFailed   = 1 // something did not answer, or broke
	exitSettings = 2 // a setting cannot be used, nor what is stored there

	exitSignal = 128 // and the number of the second signal
)

// commands is the command line.
type commands struct {
	Serve       serveCommand       `cmd:"" default:"withargs" help:"Serve. This is what runs when no command is named."`
	Restore     restoreCommand     `cmd:"" help:"Rebuild an empty Redis from the archive: every session that had not ended."`
	Audit       auditCommand       `cmd:"" help:"Check the promises on a live deployment; exit status 1 if one is broken."`
	Repartition repartitionCommand `cmd:"" help:"Move a deployment to another number of partitions. Nodes stop meanwhile, and go on by themselves."`
	Doctor      doctorCommand      `cmd:"" help:"Look at a deployment and say what would hurt it; exit status 3 for warnings, 4 for what is worse."`
	Top         topCommand         `cmd:"" help:"Show queues, agents, nodes, rates and lags of a deployment, live in the terminal."`
	Token       tokenCommand       `cmd:"" help:"Ask a running node for a participant's token."`
	Health      healthCommand      `cmd:"" help:"Ask a running node whether it is alive; for container health checks."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

func main() {
	if status, is := files.Worker(os.Args); is {
		os.Exit(status)
	}
	os.Exit(run(untilSignal(), os.Args[1:], os.Stdout, os.Stderr))
}

// untilSignal is a context that the first SIGINT or SIGTERM ends. A second one ends the process,
// as if it had not been caught: 130 or 143.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		sig := <-signals
		slog.Warn("ends at once, by a second signal", "signal", sig.String())
		n, _ := sig.(syscall.Signal)
		os.Exit(exitSignal + int(n))
	}()
	return ctx
}

// settingsError is a setting that cannot be used.
type settingsError struct{ error }

// Unwrap gives what is wrong with it.
func (e settingsError) Unwrap() error { return e.error }

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd, status := parse(args, stdout, stderr)
	if cmd == nil {
		return status
	}
	err := cmd.Run(ctx, stdout)
	var bad settingsError
	var known toldError
	var exit statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &known):
		return exitFailed
	case errors.As(err, &bad):
		return fail(stderr, exitSettings, err)
	default:
		return fail(stderr, exitFailed, err)
	}
}

// command is what each field of commands is.
type command interface {
	Run(ctx context.Context, out io.Writer) error
}

func options() cli.Options {
	return cli.Options{Name: "bellhop", Help: "A broker for customer-service chat.", Env: "BELLHOP", File: readSettings}
}

// program is the command line that sets these.
func program(c *commands) *cli.Program { return cli.New(c, options()) }

// parse finds the command and its settings; nil if there is nothing to run, with the exit status.
func parse(args []string, stdout, stderr io.Writer) (command, int) {
	c, err := program(&commands{}).Parse(args, stdout)
	switch {
	case errors.Is(err, cli.ErrHelp):
		return nil, 0
	case err != nil:
		return nil, fail(stderr, exitSettings, err)
	}
	return c.Target.(command), 0 //nolint:forcetypeassert // a test has each
}

func fail(w io.Writer, code int, err error) int {
	_, _ = fmt.Fprintln(w, "bellhop:", strings.ReplaceAll(err.Error(), "\n", "; "))
	return code
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(_ context.Context, out io.Writer) error {
	_, err := fmt.Fprintln(out, "bellhop", version())
	return err
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
