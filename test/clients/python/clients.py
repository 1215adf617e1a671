"""Drives a control plane with the Python client as programs in the field do; prints one JSON line a check.

    clients.py KUBECONFIG              everything that needs no running container, in a namespace of its own
    clients.py KUBECONFIG NAMESPACE/POD    the streams of a running pod
"""

import base64
import json
import sys
import threading
import time
import traceback

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

core: client.CoreV1Api
apps: client.AppsV1Api
namespace = ""


def want(what, got, expected):
    assert got == expected, f"{what}: got {got!r}, want {expected!r}"


def config_map(name, data=None, labels=None):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels=labels), data=data)


def deployment(name, replicas):
    labels = {"app": name}
    return client.V1Deployment(
        metadata=client.V1ObjectMeta(name=name),
        spec=client.V1DeploymentSpec(
            replicas=replicas,
            selector=client.V1LabelSelector(match_labels=labels),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels),
                spec=client.V1PodSpec(
                    containers=[
                        client.V1Container(name="a", image="a:1", resources=client.V1ResourceRequirements(requests={"cpu": "10m"})),
                        client.V1Container(name="b", image="b:1"),
                    ]
                ),
            ),
        ),
    )


def crud():
    made = core.create_namespaced_config_map(namespace, config_map("crud", {"k": "v ü"}))
    assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo
    made.data["k"] = "w"
    core.replace_namespaced_config_map("crud", namespace, made)
    want("read", core.read_namespaced_config_map("crud", namespace).data, {"k": "w"})
    try:
        core.replace_namespaced_config_map("crud", namespace, made)
        raise AssertionError("a stale update succeeded")
    except ApiException as e:
        want("stale", (e.status, json.loads(e.body)["reason"]), (409, "Conflict"))
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name="crud"), string_data={"a": "b"})
    stored = core.create_namespaced_secret(namespace, secret)
    want("secret", base64.b64decode(stored.data["a"]), b"b")
    core.delete_namespaced_secret("crud", namespace)
    deleted = core.delete_namespaced_config_map("crud", namespace)
    # This call's answer may be of several kinds: the client leaves it as it is.
    want("deletion", (deleted["status"], deleted["details"]["name"]), ("Success", "crud"))
    try:
        core.read_namespaced_config_map("crud", namespace)
        raise AssertionError("it is still there")
    except ApiException as e:
        want("gone", (e.status, json.loads(e.body)["message"]), (404, 'configmaps "crud" not found'))


def patches():
    apps.create_namespaced_deployment(namespace, deployment("patched", 0))
    # The client sends a strategic merge patch for a dict, a JSON patch for a list.
    strategic = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:2"}]}}}}
    got = apps.patch_namespaced_deployment("patched", namespace, strategic)
    want("strategic", [c.image for c in got.spec.template.spec.containers], ["a:1", "b:2"])
    got = apps.patch_namespaced_deployment("patched", namespace, [{"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}])
    want("JSON", got.metadata.labels, {"x": "y"})
    merge = {"metadata": {"labels": {"x": None, "z": "1"}}}
    got = apps.patch_namespaced_deployment("patched", namespace, merge, _content_type="application/merge-patch+json")
    want("merge", got.metadata.labels, {"z": "1"})
    scale = apps.patch_namespaced_deployment_scale("patched", namespace, {"spec": {"replicas": 0}})
    want("scale", scale.status.selector, "app=patched")
    apps.delete_namespaced_deployment("patched", namespace, propagation_policy="Foreground")


def apply():
    api = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="v1", kind="ConfigMap")

    def intent(**data):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": data}

    api.server_side_apply(intent(a="1", b="1"), namespace=namespace, field_manager="one")
    try:
        api.server_side_apply(intent(a="2"), namespace=namespace, field_manager="two")
        raise AssertionError("no conflict")
    except ApiException as e:
        want("conflict", e.status, 409)
        want("message", json.loads(e.body)["message"], 'Apply failed with 1 conflict: conflict with "one": .data.a')
    api.server_side_apply(intent(a="2"), namespace=namespace, field_manager="two", force_conflicts=True)
    got = api.server_side_apply(intent(b="1"), namespace=namespace, field_manager="one")
    want("data", dict(got.data), {"a": "2", "b": "1"})
    api.delete("applied", namespace)


def pages():
    for i in range(7):
        core.create_namespaced_config_map(namespace, config_map(f"page-{i}", labels={"set": "page"}))
    names, token = [], None
    while True:
        page = core.list_namespaced_config_map(namespace, label_selector="set=page", limit=3, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    want("pages", names, [f"page-{i}" for i in range(7)])
    core.delete_collection_namespaced_config_map(namespace, label_selector="set=page")
    want("left", core.list_namespaced_config_map(namespace, label_selector="set=page").items, [])


def watches():
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    seen = []

    def act():
        core.create_namespaced_config_map(namespace, config_map("watched", labels={"w": "1"}))
        core.patch_namespaced_config_map("watched", namespace, {"data": {"a": "b"}})
        core.delete_namespaced_config_map("watched", namespace)

    actor = threading.Thread(target=act)
    actor.start()
    # Short server-side timeouts: the client goes on from the last bookmark or event.
    w = watch.Watch()
    for event in w.stream(
        core.list_namespaced_config_map, namespace, resource_version=start, label_selector="w=1",
        allow_watch_bookmarks=True, timeout_seconds=5,
    ):
        if event["type"] == "BOOKMARK":
            continue
        seen.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            w.stop()
    actor.join()
    want("events", seen, [(t, "watched") for t in ("ADDED", "MODIFIED", "DELETED")])


def dynamic_round():
    resources = dynamic.DynamicClient(client.ApiClient()).resources
    deployments = resources.get(api_version="apps/v1", kind="Deployment")
    body = client.ApiClient().sanitize_for_serialization(deployment("dyn", 0))
    made = deployments.create(body=body, namespace=namespace)
    want("kind", (made.kind, made.apiVersion, made.spec.replicas), ("Deployment", "apps/v1", 0))
    got = deployments.patch(body={"metadata": {"name": "dyn", "labels": {"a": "b"}}}, namespace=namespace, content_type="application/merge-patch+json")
    want("label", got.metadata.labels.a, "b")
    want("list", [d.metadata.name for d in deployments.get(namespace=namespace, label_selector="a=b").items], ["dyn"])
    scaled = deployments.scale.patch(body={"spec": {"replicas": 1}}, name="dyn", namespace=namespace, content_type="application/merge-patch+json")
    want("scale", (scaled.kind, scaled.spec.replicas), ("Scale", 1))
    deployments.delete(name="dyn", namespace=namespace)


def dynamic_custom():
    """A kind that comes and goes while the client lives."""
    resources = dynamic.DynamicClient(client.ApiClient()).resources
    definitions = resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
    definitions.create(
        body={
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "eggs.monty.example"},
            "spec": {
                "group": "monty.example",
                "scope": "Namespaced",
                "names": {"plural": "eggs", "singular": "egg", "kind": "Egg", "listKind": "EggList"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "subresources": {"status": {}},
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        }
    )
    for event in definitions.watch(name="eggs.monty.example", timeout=10):
        if any(c.type == "Established" and c.status == "True" for c in event["object"].status.conditions or []):
            break
    resources.invalidate_cache()
    eggs = resources.get(api_version="monty.example/v1", kind="Egg")
    body = {"apiVersion": "monty.example/v1", "kind": "Egg", "metadata": {"name": "one"}, "spec": {"size": 1}}
    made = eggs.server_side_apply(body=body, namespace=namespace, field_manager="python")
    want("managers", [m.manager for m in made.metadata.managedFields], ["python"])
    told = eggs.status.patch(body={"status": {"boiled": True}}, name="one", namespace=namespace, content_type="application/merge-patch+json")
    want("status", told.status.boiled, True)
    seen = []
    for event in eggs.watch(namespace=namespace, timeout=10):
        seen.append(event["type"])
        if event["type"] == "DELETED":
            break
        eggs.delete(name="one", namespace=namespace)
    want("events", seen, ["ADDED", "DELETED"])
    definitions.delete(name="eggs.monty.example")


def from_dict():
    utils.create_from_dict(
        client.ApiClient(),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http"}]}},
        namespace=namespace,
    )
    got = core.read_namespaced_service("svc", namespace)
    assert got.spec.cluster_ip.startswith("10."), got.spec.cluster_ip
    want("target port", got.spec.ports[0].target_port, "http")
    core.delete_namespaced_service("svc", namespace)


def tokens():
    core.create_namespaced_service_account(namespace, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="robot")))
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600))
    token = core.create_namespaced_service_account_token("robot", namespace, request).status.token
    own = client.Configuration.get_default_copy()
    own.cert_file = own.key_file = None
    own.api_key = {"authorization": f"Bearer {token}"}
    robot = client.ApiClient(own)
    me = client.AuthenticationV1Api(robot).create_self_subject_review(client.V1SelfSubjectReview())
    want("user", me.status.user_info.username, f"system:serviceaccount:{namespace}:robot")
    try:
        client.CoreV1Api(robot).list_namespaced_secret(namespace)
        raise AssertionError("secrets are open")
    except ApiException as e:
        want("forbidden", e.status, 403)


def runs():
    apps.create_namespaced_deployment(namespace, deployment("web", 2))
    w = watch.Watch()
    ready = 0
    for event in w.stream(apps.list_namespaced_deployment, namespace, field_selector="metadata.name=web", timeout_seconds=20):
        ready = event["object"].status.ready_replicas
        if ready == 2:
            w.stop()
    want("ready", ready, 2)
    pods = core.list_namespaced_pod(namespace, label_selector="app=web").items
    want("phases", {p.status.phase for p in pods}, {"Running"})
    apps.delete_namespaced_deployment("web", namespace)


def reads_everything():
    """Every model of the client takes what the server sends."""
    for api, calls in (
        (client.VersionApi(), ["get_code"]),
        (core, ["list_node", "list_namespace", "list_service_account_for_all_namespaces", "list_pod_for_all_namespaces", "list_event_for_all_namespaces"]),
        (client.RbacAuthorizationV1Api(), ["list_cluster_role", "list_cluster_role_binding", "list_role_for_all_namespaces"]),
        (client.CoordinationV1Api(), ["list_lease_for_all_namespaces"]),
        (client.SchedulingV1Api(), ["list_priority_class"]),
        (client.DiscoveryV1Api(), ["list_endpoint_slice_for_all_namespaces"]),
        (client.ApisApi(), ["get_api_versions"]),
    ):
        for call in calls:
            assert getattr(api, call)() is not None, call


def logs(pod):
    want("last line", core.read_namespaced_pod_log(pod, namespace, tail_lines=1), "ready\n")


def executes(pod):
    out = stream(core.connect_get_namespaced_pod_exec, pod, namespace, command=["sh", "-c", "echo out"], stdout=True, stderr=True)
    want("output", out, "out\n")
    session = stream(
        core.connect_get_namespaced_pod_exec, pod, namespace, command=["sh", "-c", "read line; echo got $line; echo err >&2; exit 7"],
        stdin=True, stdout=True, stderr=True, _preload_content=False,
    )
    session.write_stdin("hello\n")
    session.run_forever(timeout=10)
    want("output", (session.read_stdout(), session.read_stderr(), session.returncode), ("got hello\n", "err\n", 7))


def forwards(pod):
    forward = portforward(core.connect_get_namespaced_pod_portforward, pod, namespace, ports="8080")
    socket = forward.socket(8080)
    socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    while chunk := socket.recv(4096):
        answer += chunk
    assert answer.endswith(b"hello\n"), answer


def check(name, act):
    began = time.monotonic()
    outcome = {"name": name}
    try:
        act()
    except Exception as e:
        outcome["error"] = "".join(traceback.format_exception(e)[-3:])
    outcome["seconds"] = time.monotonic() - began
    print(json.dumps(outcome), flush=True)
    return "error" not in outcome


def main():
    global core, apps, namespace
    config.load_kube_config(sys.argv[1])
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    if len(sys.argv) > 2:
        namespace, pod = sys.argv[2].split("/")
        checks = {"logs": lambda: logs(pod), "exec": lambda: executes(pod), "port-forward": lambda: forwards(pod)}
        return all([check(name, act) for name, act in checks.items()])
    namespace = core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(generate_name="python-"))).metadata.name
    try:
        checks = {
            "create, read, replace, delete": crud,
            "patches: JSON, merge, strategic merge": patches,
            "server-side apply": apply,
            "pagination": pages,
            "watch": watches,
            "dynamic client": dynamic_round,
            "dynamic client, custom resource": dynamic_custom,
            "create from a dictionary": from_dict,
            "tokens": tokens,
            "a deployment's pods": runs,
            "models": reads_everything,
        }
        return all([check(name, act) for name, act in checks.items()])
    finally:
        core.delete_namespace(namespace)


sys.exit(0 if main() else 1)
