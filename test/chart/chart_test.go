// Package chart renders the Helm chart as helm does, and reads what comes out with Kubernetes' own types, where a field that does not exist
// is an error. It is a module of its own: none of what it needs is a dependency of deminer.
package chart

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// rendered gives the documents that the chart makes of values.
func rendered(t *testing.T, values map[string]any) ([]string, error) {
	t.Helper()
	c, err := loader.Load("../../packaging/helm/deminer")
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "d", Namespace: "sec", IsInstall: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	var out []string
	for name, text := range files {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		r := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
		for {
			doc, err := r.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(bytes.TrimSpace(doc)) > 0 {
				out = append(out, string(doc))
			}
		}
	}
	return out, nil
}

// typed reads documents strictly and gives them by their kind.
func typed(t *testing.T, docs []string) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, doc := range docs {
		var kind meta.TypeMeta
		if err := strict.Unmarshal([]byte(doc), &kind); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		to, known := map[string]any{"DaemonSet": &apps.DaemonSet{}, "StatefulSet": &apps.StatefulSet{}, "Service": &core.Service{}}[kind.Kind]
		if !known {
			t.Fatalf("a %q", kind.Kind)
		}
		if err := strict.UnmarshalStrict([]byte(doc), to); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		out[kind.Kind] = to
	}
	return out
}

func TestChart(t *testing.T) {
	joined := map[string]any{"server": "d.example:8443", "tokenSecret": "tok"}
	for name, c := range map[string]struct {
		values map[string]any
		kinds  []string
	}{
		"as it comes":     {map[string]any{}, []string{"DaemonSet"}},
		"with its server": {map[string]any{"agent": joined, "server": map[string]any{"enabled": true, "names": []any{"d.example"}, "storageClass": "fast"}}, []string{"DaemonSet", "Service", "StatefulSet"}},
		"server alone":    {map[string]any{"agent": map[string]any{"enabled": false}, "server": map[string]any{"enabled": true}}, []string{"Service", "StatefulSet"}},
	} {
		docs, err := rendered(t, c.values)
		if err != nil {
			t.Fatal(name, err)
		}
		got := typed(t, docs)
		for _, kind := range []string{"DaemonSet", "Service", "StatefulSet"} {
			if _, there := got[kind]; there != slices.Contains(c.kinds, kind) {
				t.Errorf("%s: %s there: %v", name, kind, there)
			}
		}
		if d, ok := got["DaemonSet"].(*apps.DaemonSet); ok {
			pod := d.Spec.Template.Spec
			if one := pod.Containers[0]; !pod.HostPID || one.SecurityContext == nil || one.SecurityContext.Privileged == nil || !*one.SecurityContext.Privileged || !slices.Equal(one.Args, []string{"on-host", "agent"}) {
				t.Errorf("%s: the agent cannot see its node: %+v", name, pod)
			}
			if len(pod.InitContainers) != map[bool]int{true: 1}[c.values["agent"] != nil] {
				t.Errorf("%s: joins %v", name, pod.InitContainers)
			}
		}
		if s, ok := got["StatefulSet"].(*apps.StatefulSet); ok {
			pod := s.Spec.Template.Spec
			if one := pod.Containers[0]; one.SecurityContext == nil || one.SecurityContext.Privileged != nil || *one.SecurityContext.AllowPrivilegeEscalation || !*one.SecurityContext.ReadOnlyRootFilesystem || !*pod.SecurityContext.RunAsNonRoot {
				t.Errorf("%s: the server has rights: %+v", name, pod)
			}
		}
	}
	if _, err := rendered(t, map[string]any{"agent": map[string]any{"server": "d.example:8443"}}); err == nil || !strings.Contains(err.Error(), "go together") {
		t.Errorf("a server without a token: %v", err)
	}
}
