// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.diagnostics;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.lvxattn.AttentionBackend;
import org.lvxattn.AttentionBackendChoice;
import org.lvxattn.AttentionForward;
import org.lvxattn.CrossAttention;
import org.lvxattn.CudaOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GpuProperties;
import org.lvxattn.LvxException;
import org.lvxattn.NativeInfo;
import org.lvxattn.Tensor;
import org.lvxattn.diagnostics.DiagnosticReport.Item;
import org.lvxattn.diagnostics.DiagnosticReport.Status;
import org.lvxattn.group.Group;
import org.lvxattn.launch.GroupBackend;

/**
 * Checks of this machine, for support requests and start-up logs. {@code lvx doctor} prints them.
 *
 * @since 0.2.0
 */
public final class Diagnostics {
  private static final int JAVA_NEEDED = 25;
  private static final String NATIVE_DIRECTORY = "org.lvxattn.native.dir";

  private Diagnostics() {}

  /**
   * Checks Java, the native library, the devices and the backends of groups. Loads what it checks,
   * and opens a CPU device and the first GPU for a moment. Never throws for what it finds: a broken
   * installation is an item of the report. Any thread may call it; it takes up to a few seconds
   * where there is a GPU.
   */
  public static DiagnosticReport report() {
    List<Item> items = new ArrayList<>();
    items.add(java());
    items.add(nativeAccess());
    addNative(items);
    return new DiagnosticReport(items);
  }

  private static Item java() {
    Runtime.Version version = Runtime.version();
    String detail = version + ", " + System.getProperty("java.vm.name");
    return version.feature() >= JAVA_NEEDED
        ? Item.ok("java", detail)
        : new Item("java", Status.FAILED, detail, "install a JDK " + JAVA_NEEDED + " or later");
  }

  private static Item nativeAccess() {
    Module module = Device.class.getModule();
    String target = module.isNamed() ? module.getName() : "ALL-UNNAMED";
    return module.isNativeAccessEnabled()
        ? Item.ok("native-access", "enabled for " + target)
        : new Item(
            "native-access",
            Status.FAILED,
            "not enabled for " + target,
            "start java with --enable-native-access=" + target);
  }

  private static void addNative(List<Item> items) {
    try {
      NativeInfo library = NativeInfo.load();
      items.add(
          Item.ok(
              "native-library",
              library.version() + ", ABI " + library.abiVersion() + ", " + library.file()));
      items.add(cache(library.file()));
      items.add(cpu());
      items.add(cuda());
      items.add(cudnn());
      items.add(Item.ok("gloo", "TCP, built in; Gloo itself is not needed"));
      items.add(backend("mpi", GroupBackend.MPI));
      items.add(backend("nccl", GroupBackend.NCCL));
    } catch (LinkageError e) {
      items.add(
          new Item(
              "native-library",
              Status.FAILED,
              String.valueOf(e.getMessage()),
              "build it with ./lvx build, or set the system property "
                  + NATIVE_DIRECTORY
                  + " to its directory"));
    }
  }

  private static Item cache(Path library) {
    String given = System.getProperty(NATIVE_DIRECTORY);
    if (given != null) {
      return Item.ok("cache", "not used: " + NATIVE_DIRECTORY + " names " + given);
    }
    return Item.ok("cache", String.valueOf(library.getParent()));
  }

  private static Item cpu() {
    try (Device device = Device.cpu()) {
      return Item.ok(
          "cpu",
          device.name()
              + ", "
              + device.threads()
              + " threads, Java heap up to "
              + gibibytes(Runtime.getRuntime().maxMemory()));
    }
  }

  /** A missing GPU is not a fault either; the message begins with what is missing. */
  private static Item cuda() {
    try (Device device = Device.cuda(0)) {
      GpuProperties gpu = device.gpu().orElseThrow();
      return Item.ok(
          "cuda",
          device.name()
              + ", compute capability "
              + gpu.computeMajor()
              + "."
              + gpu.computeMinor()
              + ", "
              + gpu.multiprocessors()
              + " multiprocessors, "
              + gibibytes(gpu.memoryFree())
              + " of "
              + gibibytes(gpu.memoryTotal())
              + " free");
    } catch (LvxException e) {
      String message = String.valueOf(e.getMessage());
      return new Item(
          "cuda",
          e.status() == org.lvxattn.Status.MISSING_LIBRARY ? Status.ABSENT : Status.FAILED,
          message,
          "needed only for CUDA devices: " + remedy(message));
    }
  }

  private static Item cudnn() {
    try {
      return Item.ok(
          "cudnn", Device.loadCudnn() + ", for the attention backends CUDNN and AUTO" + choices());
    } catch (LvxException e) {
      return new Item(
          "cudnn",
          Status.ABSENT,
          String.valueOf(e.getMessage()),
          "needed only for the attention backends CUDNN and AUTO: cuDNN 9.17 or later");
    }
  }

  /** AUTO's choice for a block of a common size; empty without a GPU. */
  private static String choices() {
    try (Device device =
            Device.cuda(
                CudaOptions.builder().ordinal(0).attentionBackend(AttentionBackend.AUTO).build());
        Group group = Group.self(device);
        Tensor q = Tensor.allocate(device, DType.BFLOAT16, 1, 512, 32, 128);
        Tensor k = Tensor.allocate(device, DType.BFLOAT16, 1, 8192, 8, 128);
        Tensor v = Tensor.allocate(device, DType.BFLOAT16, 1, 8192, 8, 128)) {
      CrossAttention attention =
          CrossAttention.builder().heads(32).keyValueHeads(8).headDim(128).build();
      try (AttentionForward forward = attention.forward(group, q, k, v)) {
        attention.backward(group, forward, forward.output()).close();
      }
      StringBuilder text = new StringBuilder();
      for (AttentionBackendChoice choice : device.attentionBackendChoices()) {
        text.append(choice.backward() ? "; backward: " : "; forward: ")
            .append(choice.attentionBackend());
        text.append(" (").append(choice.reason());
        if (choice.lvxSeconds() > 0) {
          text.append(", LVX ").append(microseconds(choice.lvxSeconds()));
          text.append(", CUDNN ").append(microseconds(choice.cudnnSeconds()));
        }
        text.append(")");
      }
      return text.toString();
    } catch (LvxException e) {
      return e.status() == org.lvxattn.Status.MISSING_LIBRARY ? "" : "; " + e.getMessage();
    }
  }

  private static String remedy(String message) {
    if (message.contains("this build has no")) {
      return "./lvx build --cuda, where NVIDIA's nvcc 12.8 or later is";
    }
    if (message.contains("driver")) {
      return message.contains("finds no GPU")
          ? "check nvidia-smi and CUDA_VISIBLE_DEVICES"
          : "install NVIDIA's driver, or in a container start it with its GPUs";
    }
    return "see the message";
  }

  /** A missing backend is not a fault, since local ranks need none. */
  private static Item backend(String name, GroupBackend kind) {
    try {
      Group.loadBackend(kind);
      return Item.ok(
          name, kind == GroupBackend.NCCL ? "ranks can be CUDA devices" : "ranks can be processes");
    } catch (LvxException e) {
      return new Item(
          name,
          Status.ABSENT,
          String.valueOf(e.getMessage()),
          "needed only for groups by " + name.toUpperCase(Locale.ROOT));
    }
  }

  private static String gibibytes(long bytes) {
    return String.format(Locale.ROOT, "%.1f GiB", (double) bytes / (1L << 30));
  }

  private static String microseconds(double seconds) {
    return String.format(Locale.ROOT, "%.1f us", 1e6 * seconds);
  }
}
