// Drives a control plane with fabric8's kubernetes-client as programs in the field do; prints one JSON line a check.
//
//     java -cp 'LIBRARIES/*' Clients.java KUBECONFIG

import io.fabric8.kubernetes.api.model.*;
import io.fabric8.kubernetes.api.model.apiextensions.v1.*;
import io.fabric8.kubernetes.api.model.apps.*;
import io.fabric8.kubernetes.api.model.authentication.*;
import io.fabric8.kubernetes.client.*;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.dsl.base.*;
import io.fabric8.kubernetes.client.extended.leaderelection.*;
import io.fabric8.kubernetes.client.extended.leaderelection.resourcelock.*;
import io.fabric8.kubernetes.client.informers.*;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;

public class Clients {
  interface Act {
    void run() throws Exception;
  }

  static KubernetesClient client;
  static String namespace;
  static boolean failed;

  public static void main(String[] args) throws Exception {
    Config config = Config.fromKubeconfig(Files.readString(Path.of(args[0])));
    config.setRequestRetryBackoffLimit(0);
    try (KubernetesClient made = new KubernetesClientBuilder().withConfig(config).build()) {
      client = made;
      namespace = client.namespaces()
          .resource(new NamespaceBuilder().withNewMetadata().withGenerateName("java-").endMetadata().build())
          .create().getMetadata().getName();
      check("create, read, update, delete", Clients::crud);
      check("patches: JSON, merge, strategic merge", Clients::patches);
      check("server-side apply", Clients::apply);
      check("informer with an index", Clients::informer);
      check("watch", Clients::watch);
      check("pages", Clients::pages);
      check("custom resource without a class", Clients::custom);
      check("a deployment's pods", Clients::deployment);
      check("load a file", Clients::load);
      check("leader election", Clients::election);
      check("tokens", Clients::tokens);
      client.namespaces().withName(namespace).delete();
    }
    System.exit(failed ? 1 : 0);
  }

  static void check(String name, Act act) {
    long began = System.nanoTime();
    Map<String, Object> outcome = new LinkedHashMap<>();
    outcome.put("name", name);
    try {
      act.run();
    } catch (Throwable error) {
      StringWriter trace = new StringWriter();
      error.printStackTrace(new PrintWriter(trace));
      outcome.put("error", trace.toString());
      failed = true;
    }
    outcome.put("seconds", (System.nanoTime() - began) / 1e9);
    System.out.println(Serialization.asJson(outcome).replaceAll("\\s*\n\\s*", " "));
  }

  static void want(String what, Object got, Object expected) {
    if (!Objects.equals(got, expected)) throw new AssertionError(what + ": got " + got + ", want " + expected);
  }

  static ConfigMap map(String name, Map<String, String> data) {
    return new ConfigMapBuilder().withNewMetadata().withName(name).withNamespace(namespace).endMetadata().withData(data).build();
  }

  static Deployment deploymentOf(String name, int replicas) {
    return new DeploymentBuilder()
        .withNewMetadata().withName(name).withNamespace(namespace).endMetadata()
        .withNewSpec().withReplicas(replicas)
        .withNewSelector().addToMatchLabels("app", name).endSelector()
        .withNewTemplate().withNewMetadata().addToLabels("app", name).endMetadata()
        .withNewSpec()
        .addNewContainer().withName("a").withImage("a:1").endContainer()
        .addNewContainer().withName("b").withImage("b:1").endContainer()
        .endSpec().endTemplate().endSpec().build();
  }

  static void crud() {
    var maps = client.configMaps().inNamespace(namespace);
    ConfigMap made = maps.resource(map("crud", Map.of("k", "v ü"))).create();
    want("unicode", maps.withName("crud").get().getData().get("k"), "v ü");
    ConfigMap changed = new ConfigMapBuilder(made).withData(Map.of("k", "w")).build();
    maps.resource(changed).update();
    try {
      maps.resource(made).lockResourceVersion(made.getMetadata().getResourceVersion()).update();
      throw new AssertionError("a stale update succeeded");
    } catch (KubernetesClientException e) {
      want("stale", e.getCode(), 409);
    }
    maps.withName("crud").edit(m -> new ConfigMapBuilder(m).addToData("more", "1").build());
    want("edited", maps.withName("crud").get().getData(), Map.of("k", "w", "more", "1"));
    try {
      maps.resource(map("No_Name", null)).create();
      throw new AssertionError("a wrong name was taken");
    } catch (KubernetesClientException e) {
      want("invalid", e.getCode() + e.getStatus().getDetails().getCauses().get(0).getField(), "422metadata.name");
    }
    want("deleted", maps.withName("crud").withTimeout(10, TimeUnit.SECONDS).delete().size(), 1);
    want("gone", maps.withName("crud").get(), null);
  }

  static void patches() {
    var one = client.apps().deployments().inNamespace(namespace).resource(deploymentOf("patched", 0));
    one.create();
    String image = "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"b\",\"image\":\"b:2\"}]}}}}";
    want("strategic", images(one.patch(PatchContext.of(PatchType.STRATEGIC_MERGE), image)), List.of("b:2", "a:1"));
    String json = "[{\"op\":\"test\",\"path\":\"/spec/replicas\",\"value\":0},{\"op\":\"add\",\"path\":\"/metadata/labels\",\"value\":{\"x\":\"y\"}}]";
    want("json", one.patch(PatchContext.of(PatchType.JSON), json).getMetadata().getLabels(), Map.of("x", "y"));
    want("merge", images(one.patch(PatchContext.of(PatchType.JSON_MERGE), image)), List.of("b:2"));
    one.delete();
  }

  /** Sorted by name, from b to a. */
  static List<String> images(Deployment d) {
    return d.getSpec().getTemplate().getSpec().getContainers().stream()
        .sorted(Comparator.comparing(Container::getName).reversed()).map(Container::getImage).toList();
  }

  static void apply() {
    var maps = client.configMaps().inNamespace(namespace);
    maps.resource(map("applied", Map.of("a", "1"))).fieldManager("one").serverSideApply();
    try {
      maps.resource(map("applied", Map.of("a", "2"))).fieldManager("two").serverSideApply();
      throw new AssertionError("no conflict");
    } catch (KubernetesClientException e) {
      want("conflict", e.getCode() + e.getStatus().getDetails().getCauses().get(0).getField(), "409.data.a");
    }
    ConfigMap forced = maps.resource(map("applied", Map.of("a", "2"))).fieldManager("two").forceConflicts().serverSideApply();
    want("forced", forced.getData(), Map.of("a", "2"));
    want("managers", forced.getMetadata().getManagedFields().size(), 1);
  }

  static void informer() throws Exception {
    var seen = new LinkedBlockingQueue<String>();
    var informer = client.configMaps().inNamespace(namespace).withLabel("i").runnableInformer(0);
    informer.addIndexers(Map.of("size", m -> List.of(String.valueOf(m.getData().size()))));
    informer.addEventHandler(new ResourceEventHandler<ConfigMap>() {
      public void onAdd(ConfigMap m) {
        seen.add("add " + m.getMetadata().getName());
      }

      public void onUpdate(ConfigMap before, ConfigMap m) {
        seen.add("update " + m.getData().size());
      }

      public void onDelete(ConfigMap m, boolean unknown) {
        seen.add("delete " + m.getMetadata().getName());
      }
    });
    ConfigMap one = map("informed", Map.of("a", "1"));
    one.getMetadata().setLabels(Map.of("i", ""));
    client.resource(one).create();
    informer.start().toCompletableFuture().get(10, TimeUnit.SECONDS);
    want("event", seen.poll(10, TimeUnit.SECONDS), "add informed");
    one.setData(Map.of("a", "1", "b", "2"));
    client.resource(one).update();
    want("event", seen.poll(10, TimeUnit.SECONDS), "update 2");
    want("indexed", informer.getIndexer().byIndex("size", "2").size(), 1);
    client.resource(one).delete();
    want("event", seen.poll(10, TimeUnit.SECONDS), "delete informed");
    want("watching", informer.isWatching(), true);
    informer.stop();
  }

  static void watch() throws Exception {
    var seen = new LinkedBlockingQueue<String>();
    try (Watch watch = client.configMaps().inNamespace(namespace).withName("watched").watch(new Watcher<ConfigMap>() {
      public void eventReceived(Action action, ConfigMap m) {
        seen.add(action + " " + m.getMetadata().getName());
      }

      public void onClose(WatcherException e) {
        seen.add("closed " + e);
      }
    })) {
      client.resource(map("watched", Map.of())).create();
      client.configMaps().inNamespace(namespace).withName("watched").delete();
      want("event", seen.poll(10, TimeUnit.SECONDS), "ADDED watched");
      want("event", seen.poll(10, TimeUnit.SECONDS), "DELETED watched");
    }
  }

  static void pages() {
    for (int i = 0; i < 5; i++) client.resource(map("page-" + i, Map.of())).create();
    var options = new ListOptionsBuilder().withLimit(2L);
    Set<String> names = new TreeSet<>();
    String next = null;
    do {
      ConfigMapList page = client.configMaps().inNamespace(namespace).list(options.withContinue(next).build());
      page.getItems().forEach(m -> names.add(m.getMetadata().getName()));
      next = page.getMetadata().getContinue();
    } while (next != null && !next.isEmpty());
    want("names", names.stream().filter(n -> n.startsWith("page-")).count(), 5L);
  }

  static void custom() {
    var definition = new CustomResourceDefinitionBuilder()
        .withNewMetadata().withName("javas.coffee.example").endMetadata()
        .withNewSpec().withGroup("coffee.example").withScope("Namespaced")
        .withNewNames().withPlural("javas").withSingular("java").withKind("Java").withListKind("JavaList").endNames()
        .addNewVersion().withName("v1").withServed(true).withStorage(true)
        .withNewSubresources().withNewStatus().endStatus().endSubresources()
        .withNewSchema().withNewOpenAPIV3Schema().withType("object")
        .addToProperties("spec", new JSONSchemaPropsBuilder().withType("object").withXKubernetesPreserveUnknownFields(true).build())
        .addToProperties("status", new JSONSchemaPropsBuilder().withType("object").withXKubernetesPreserveUnknownFields(true).build())
        .endOpenAPIV3Schema().endSchema().endVersion().endSpec().build();
    client.apiextensions().v1().customResourceDefinitions().resource(definition).create();
    client.apiextensions().v1().customResourceDefinitions().resource(definition).waitUntilCondition(
        d -> d.getStatus() != null && d.getStatus().getConditions().stream().anyMatch(c -> c.getType().equals("Established") && c.getStatus().equals("True")),
        10, TimeUnit.SECONDS);
    GenericKubernetesResource cup = new GenericKubernetesResourceBuilder().withApiVersion("coffee.example/v1").withKind("Java")
        .withNewMetadata().withName("cup").withNamespace(namespace).endMetadata()
        .withAdditionalProperties(Map.of("spec", Map.of("shots", 2))).build();
    GenericKubernetesResource made = client.resource(cup).create();
    made.setAdditionalProperty("status", Map.of("hot", true));
    client.resource(made).updateStatus();
    GenericKubernetesResource got = client.genericKubernetesResources("coffee.example/v1", "Java").inNamespace(namespace).withName("cup").get();
    want("shots", got.<Integer>get("spec", "shots"), 2);
    want("hot", got.<Boolean>get("status", "hot"), true);
    client.resource(got).delete();
    client.apiextensions().v1().customResourceDefinitions().resource(definition).delete();
  }

  static void deployment() {
    var web = client.apps().deployments().inNamespace(namespace).resource(deploymentOf("web", 2));
    web.create();
    // Its restart adds to annotations that must be there.
    web.patch(PatchContext.of(PatchType.JSON_MERGE), "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"a\":\"b\"}}}}}");
    web.waitUntilReady(20, TimeUnit.SECONDS);
    // It is ready in the middle of a roll-out, too.
    web.waitUntilCondition(d -> Integer.valueOf(2).equals(d.getStatus().getUpdatedReplicas()) && d.getStatus().getReplicas() == 2, 20, TimeUnit.SECONDS);
    // Pods of the first template may still be ending.
    want("phases", client.pods().inNamespace(namespace).withLabel("app", "web").list().getItems().stream().filter(p -> p.getMetadata().getDeletionTimestamp() == null).map(p -> p.getStatus().getPhase()).toList(), List.of("Running", "Running"));
    web.scale(1);
    web.waitUntilCondition(d -> Integer.valueOf(1).equals(d.getStatus().getReplicas()), 20, TimeUnit.SECONDS);
    client.apps().deployments().inNamespace(namespace).withName("web").rolling().restart();
    web.waitUntilCondition(d -> Integer.valueOf(1).equals(d.getStatus().getUpdatedReplicas()) && d.getMetadata().getGeneration().equals(d.getStatus().getObservedGeneration()), 20, TimeUnit.SECONDS);
    web.delete();
  }

  static void load() {
    String yaml = "apiVersion: v1\nkind: Service\nmetadata: { name: svc }\nspec: { selector: { a: b }, ports: [{ port: 80, targetPort: http }] }\n"
        + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: loaded }\ndata: { a: b }\n";
    List<HasMetadata> made = client.load(new ByteArrayInputStream(yaml.getBytes())).inNamespace(namespace).create();
    want("kinds", made.stream().map(HasMetadata::getKind).toList(), List.of("Service", "ConfigMap"));
    Service service = (Service) made.get(0);
    want("target port", service.getSpec().getPorts().get(0).getTargetPort().getStrVal(), "http");
    client.load(new ByteArrayInputStream(yaml.getBytes())).inNamespace(namespace).delete();
  }

  static void election() throws Exception {
    var told = new LinkedBlockingQueue<String>();
    var leading = client.leaderElector().withConfig(new LeaderElectionConfigBuilder()
        .withName("election").withReleaseOnCancel(true)
        .withLock(new LeaseLock(namespace, "lock", "me"))
        .withLeaseDuration(Duration.ofSeconds(3)).withRenewDeadline(Duration.ofSeconds(2)).withRetryPeriod(Duration.ofMillis(200))
        .withLeaderCallbacks(new LeaderCallbacks(() -> told.add("start"), () -> told.add("stop"), leader -> {}))
        .build()).build();
    var running = leading.start();
    want("leading", told.poll(10, TimeUnit.SECONDS), "start");
    want("holder", client.leases().inNamespace(namespace).withName("lock").get().getSpec().getHolderIdentity(), "me");
    running.cancel(true);
    want("leading", told.poll(10, TimeUnit.SECONDS), "stop");
  }

  static void tokens() {
    client.resource(new ServiceAccountBuilder().withNewMetadata().withName("robot").withNamespace(namespace).endMetadata().build()).create();
    TokenRequest asked = new TokenRequestBuilder().withNewSpec().withExpirationSeconds(600L).endSpec().build();
    String token = client.serviceAccounts().inNamespace(namespace).withName("robot").tokenRequest(asked).getStatus().getToken();
    Config own = new ConfigBuilder(client.getConfiguration()).withClientCertData(null).withClientKeyData(null).withOauthToken(token).build();
    try (KubernetesClient robot = new KubernetesClientBuilder().withConfig(own).build()) {
      robot.secrets().inNamespace(namespace).list();
      throw new AssertionError("secrets are open");
    } catch (KubernetesClientException e) {
      want("forbidden", e.getCode(), 403);
      if (!e.getMessage().contains("system:serviceaccount:" + namespace + ":robot")) throw e;
    }
  }
}
