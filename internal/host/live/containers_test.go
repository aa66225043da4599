package live

import (
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/google/go-cmp/cmp"
)

const dockerDetail = `{"Id":"abc123","Created":"2026-01-02T03:04:05.5Z","Path":"/xmrig","Args":["-o","pool:3333"],"Name":"/web",
"State":{"Running":true},"ResolvConfPath":"/var/lib/docker/containers/abc123/resolv.conf",
"Config":{"Image":"alpine:3","Labels":{"b":"2","a":"1"}},
"HostConfig":{"Binds":["/:/host:rw"],"NetworkMode":"host","PidMode":"host","Privileged":true,"CapAdd":["SYS_ADMIN"],"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}},
"Mounts":[{"Type":"bind","Source":"/","Destination":"/host"},{"Type":"bind","Source":"/tmp","Destination":"/t"},{"Type":"volume","Source":"/v","Destination":"/w"}],
"GraphDriver":{"Data":{"MergedDir":"/var/lib/docker/overlay2/x/merged"}}}`

func TestParseContainer(t *testing.T) {
	got, err := parseContainer([]byte(dockerDetail), "docker")
	if err != nil {
		t.Fatal(err)
	}
	want := deminer.Container{ID: "abc123", Engine: "docker", Name: "web", Image: "alpine:3", Command: []string{"/xmrig", "-o", "pool:3333"},
		Running: true, Restart: "on-failure:3", Privileged: true, PidMode: "host", NetMode: "host", Binds: []string{"/:/host:rw", "/tmp:/t"},
		CapAdd: []string{"SYS_ADMIN"}, Labels: []string{"a=1", "b=2"}, Created: time.Date(2026, 1, 2, 3, 4, 5, 5e8, time.UTC),
		Path: "/var/lib/docker/containers/abc123", RootFS: "/var/lib/docker/overlay2/x/merged"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseContainerList(t *testing.T) {
	list, err := parseContainerList([]byte(`[{"Id":"abc1","Names":["/a"],"State":"running"},{"Id":"../../kill"},{"Id":""}]`))
	if err != nil || len(list) != 1 || list[0].ID != "abc1" {
		t.Errorf("got %+v, %v", list, err)
	}
	if _, err := parseContainerList([]byte("<html>")); err == nil {
		t.Error("no error of rubbish")
	}
	many := "[" + strings.Repeat(`{"Id":"ab"},`, maxContainers) + `{"Id":"ab"}]`
	if list, err := parseContainerList([]byte(many)); len(list) != maxContainers || err == nil {
		t.Errorf("got %d, %v", len(list), err)
	}
}

func TestParsePodman(t *testing.T) {
	text := `[{"id":"ab12","names":["x"],"metadata":"{\"image-name\":\"alpine\",\"name\":\"web\"}","created":"2026-01-02T03:04:05Z"},{"id":"../x","names":["y"],"metadata":"no"}]`
	got, err := parsePodman([]byte(text), "/s")
	want := []deminer.Container{
		{ID: "ab12", Engine: "podman", Name: "web", Image: "alpine", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Path: "/s/ab12"},
		{ID: "../x", Engine: "podman", Name: "y"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestParseBundle(t *testing.T) {
	text := `{"process":{"args":["sh"],"capabilities":{"bounding":["CAP_SYS_ADMIN"]}},"root":{"path":"rootfs"},
"mounts":[{"destination":"/host","type":"bind","source":"/"},{"destination":"/proc","type":"proc","source":"proc"}],
"annotations":{"io.kubernetes.cri.container-name":"c","io.kubernetes.cri.image-name":"i"},"linux":{"namespaces":[{"type":"network"}]}}`
	got, err := parseBundle([]byte(text), "id1", "/run/b")
	want := deminer.Container{ID: "id1", Engine: "containerd", Name: "c", Image: "i", Command: []string{"sh"}, Running: true, Privileged: true,
		PidMode: "host", Binds: []string{"/:/host"}, Path: "/run/b", RootFS: "/run/b/rootfs",
		Labels: []string{"io.kubernetes.cri.container-name=c", "io.kubernetes.cri.image-name=i"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func FuzzContainers(f *testing.F) {
	f.Add([]byte(dockerDetail))
	f.Add([]byte(`[{"Id":"abc1","Names":["/a"]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseContainer(b, "docker")
		parsePodman(b, "/s")
		parseBundle(b, "x", "/b")
		list, _ := parseContainerList(b)
		for _, item := range list {
			if !isHex(item.ID) {
				t.Errorf("id %q", item.ID)
			}
		}
	})
}
