package input

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset/policy"
)

// Source are the flags of verbs that read files or a cluster: the files of -f where there is one,
// else the cluster of the kubeconfig, as kubectl finds it.
type Source struct {
	Flags
	all       bool
	file      string // --kubeconfig
	overrides clientcmd.ConfigOverrides
}

// Bind adds the flags to those of a verb. Their names are kubectl's.
func (s *Source) Bind(flags *pflag.FlagSet) {
	s.Flags.Bind(flags)
	flags.Lookup("manifests").Usage = "file or folder of manifests, or - for the standard input, " +
		"instead of a cluster; may be given several times"
	s.BindCluster(flags)
}

// BindCluster adds those that say which cluster to read, and what of it.
func (s *Source) BindCluster(flags *pflag.FlagSet) {
	flags.StringVar(&s.file, "kubeconfig", "", "kubeconfig file of the cluster")
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.CurrentContext.BindStringFlag(flags, &s.overrides.CurrentContext)
	names.ContextOverrideFlags.ClusterName.BindStringFlag(flags, &s.overrides.Context.Cluster)
	names.ContextOverrideFlags.AuthInfoName.BindStringFlag(flags, &s.overrides.Context.AuthInfo)
	names.AuthOverrideFlags.Impersonate.BindStringFlag(flags, &s.overrides.AuthInfo.Impersonate)
	names.Timeout.BindStringFlag(flags, &s.overrides.Timeout)
	flags.StringVarP(&s.Namespace, "namespace", "n", "",
		"namespace of names and of objects in files that have none, and the only one to be shown "+
			"where a list is")
	flags.BoolVarP(&s.all, "all-namespaces", "A", false,
		"show all namespaces, which is what happens without -n, too")
	// The others work as with kubectl, and would crowd the help.
	for _, name := range []string{"context", "cluster", "user", "as", "request-timeout"} {
		flags.Lookup(name).Hidden = name != "context"
	}
}

// NamesCluster reports whether a flag says which cluster is meant.
func (s *Source) NamesCluster() bool {
	// KUBECONFIG does not count: it is there on many nodes, whatever is asked.
	return s.file != "" || s.overrides.CurrentContext != "" || s.overrides.Context.Cluster != ""
}

// Loaded is what was read.
type Loaded struct {
	*ask.Cluster
	Files     *inspect.Input // nil: a cluster was read
	Namespace string         // of names without one
	Shown     string         // the only namespace to be listed; empty: all
}

// Cluster reads the files or the cluster, and tells on stderr what is wrong with them.
func (s *Source) Cluster(cmd *cobra.Command) (*Loaded, error) {
	l := &Loaded{Namespace: cmp.Or(s.Namespace, "default")}
	if !s.all {
		l.Shown = s.Namespace
	}
	// Files, where there are any, are all that is asked.
	if !s.Given() {
		return s.readCluster(cmd, l)
	}
	in, err := s.Read(cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	if err := in.Complete(); err != nil {
		return nil, err
	}
	l.Files, l.Cluster = in, ask.New(in.Objects, in.Services)
	return l, s.tell(in, cmd.ErrOrStderr())
}

// readCluster reads the cluster of the kubeconfig.
func (s *Source) readCluster(cmd *cobra.Command, l *Loaded) (*Loaded, error) {
	config, namespace, err := s.Config()
	if err != nil {
		return nil, err
	}
	l.Namespace = cmp.Or(s.Namespace, namespace)
	objects, services, notes, err := readAPI(cmd.Context(), config)
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		Tell(cmd.ErrOrStderr(), "note", n)
	}
	l.Cluster = ask.New(objects, services)
	return l, nil
}

// ErrNoCluster says that there is no kubeconfig at all.
var ErrNoCluster = errors.New(
	"no files and no cluster: expected files (-f) or a kubeconfig (--kubeconfig, KUBECONFIG)")

// Config returns how to reach the API server, and the namespace of the context.
func (s *Source) Config() (*rest.Config, string, error) {
	loader := s.loader()
	config, err := loader.ClientConfig()
	// The library speaks of its own variables only.
	if clientcmd.IsEmptyConfig(err) {
		return nil, "", ErrNoCluster
	}
	if err != nil {
		return nil, "", fmt.Errorf("kubeconfig: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("kubeconfig: %w", err)
	}
	return config, namespace, nil
}

// loader reads the kubeconfig.
func (s *Source) loader() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	// Without the flag it is KUBECONFIG, then the file in the home folder.
	rules.ExplicitPath = s.file
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &s.overrides)
}

// From says where the objects are from: the files, or the context of the kubeconfig.
func (s *Source) From() string {
	if s.Given() {
		return strings.Join(slices.Concat(s.Paths, s.Kustomizations), ", ")
	}
	// A kubeconfig that cannot be read is an error when the cluster is asked.
	raw, _ := s.loader().RawConfig()
	return cmp.Or(s.overrides.CurrentContext, raw.CurrentContext, "a cluster")
}

// readAPI lists what answers need of a cluster. Notes name what could not be read.
func readAPI(ctx context.Context, config *rest.Config) (
	o policy.Objects, services []*corev1.Service, notes []string, err error,
) {
	r, err := newReader(ctx, config)
	if err != nil {
		return o, nil, nil, err
	}
	// Without these no answer is right, so a refusal is an error.
	o.Pods = list(r, "pods", r.pods)
	o.Namespaces = list(r, "namespaces", r.namespaces)
	o.Policies = list(r, "networkpolicies", r.policies)
	// These only add to answers, which say what they lack.
	o.Nodes = optional(r, "nodes", r.nodes,
		"what is always allowed between a pod and its node is not shown")
	services = optional(r, "services", r.services, "none can be named")
	return o, services, r.notes, errors.Join(r.errors...)
}
