// SPDX-License-Identifier: Apache-2.0
// Longer than 500 lines: all factory methods are documented here; native calls are in NativeGroup.
package org.lvxattn.group;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionInputs;
import org.lvxattn.Communicator;
import org.lvxattn.CpuOptions;
import org.lvxattn.CrossAttention;
import org.lvxattn.Device;
import org.lvxattn.GroupException;
import org.lvxattn.Pass;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_group_info;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.ffi.Texts;
import org.lvxattn.internal.handle.Handles;
import org.lvxattn.internal.memory.Reachability;
import org.lvxattn.launch.GroupBackend;
import org.lvxattn.launch.LaunchEnvironment;
import org.lvxattn.launch.Rendezvous;
import org.lvxattn.plan.Planner;

/**
 * One rank's part in a group of ranks that compute together.
 *
 * <p>Operations of a group are collective: every rank makes the same ones in the same order. If a
 * rank dies, hangs or calls a different collective, the calls of the other ranks fail within the
 * timeout, with a {@link GroupException} that names that rank. After {@link
 * org.lvxattn.PeerLostException} or {@link org.lvxattn.PeerTimeoutException} the group has {@link
 * #failed}: close it and make a new one. After {@link org.lvxattn.PeerMismatchException} it stays
 * usable.
 *
 * <p>If a thread is interrupted while it waits for peers, its call ends promptly with a {@link
 * org.lvxattn.GroupInterruptedException}, and the peers' calls with a {@link
 * org.lvxattn.PeerLostException}. In a virtual thread, a platform thread of the library waits for
 * the peers, so that the rank does not hold a carrier; a group of one rank computes in the virtual
 * thread itself.
 *
 * <p>If a call's arguments are invalid on one rank, the other ranks' calls fail with {@link
 * org.lvxattn.PeerMismatchException} at once. If the group is null, closed or owned by another
 * thread, the peers cannot be notified and time out.
 */
public final class Group extends Communicator implements AutoCloseable {
  private final NativeGroup calls;
  private final AutomaticStrategy automatic;

  Group(Device device, long handle, GroupOptions options) {
    this(device, handle, options, LinkEmulation.none());
  }

  Group(Device device, long handle, GroupOptions options, LinkEmulation emulation) {
    this(device, new NativeGroup(device, handle, emulation.isVirtualTime()), options, emulation);
  }

  private Group(Device device, NativeGroup calls, GroupOptions options, LinkEmulation emulation) {
    super(device, calls, calls.rank(), calls.size());
    this.calls = calls;
    this.automatic = new AutomaticStrategy(this, options, emulation);
  }

  /**
   * A group of one rank, with default options.
   *
   * @throws NullPointerException if device is null
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static Group self(Device device) {
    return self(device, GroupOptions.defaults());
  }

  /**
   * A group of one rank.
   *
   * @throws NullPointerException if an argument is null
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static Group self(Device device, GroupOptions options) {
    Handles.requireUsable(device, "device");
    Preconditions.present(options, "options");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(
          Lvx.lvx_group_create_self(Handles.handle(device), options.toNative(arena), handle));
      return new Group(device, handle.get(ValueLayout.JAVA_LONG, 0), options);
    }
  }

  /**
   * Joins a group whose ranks are processes, over TCP. All ranks call it at the same time; it
   * returns when they are connected. After a failure the surviving ranks can call it to form a new
   * group.
   *
   * <p>It is named after Gloo, which once moved the data. Gloo's listeners trust every connection,
   * so this library has its own transport. Both sides of each connection prove that they know the
   * addresses of all ranks and the secret of the options, if any. Other connections are dropped.
   * Once the group is formed or has failed to form, the {@link System.Logger} named {@code
   * org.lvxattn} warns of them: of the first ten each, then of the number of the others. Nothing is
   * encrypted.
   *
   * @param rank of this process, 0 to size - 1
   * @param size number of processes, 1 to 4096
   * @param rendezvous how the ranks find each other
   * @param host the name or address by which the other ranks reach this machine. Null: the address
   *     that its own name resolves to. If other machines cannot use that address: the address of a
   *     network interface, IPv4 preferred
   * @param options of the group; the timeout also bounds the rendezvous
   * @throws NullPointerException if device, rendezvous or options is null
   * @throws IllegalArgumentException if rank or size is out of range, or host is not this machine
   * @throws IllegalStateException if the device was closed
   * @throws org.lvxattn.GroupJoinException if the ranks do not fit together, so that waiting would
   *     not help; for instance, if their secrets differ
   * @throws GroupException that names a rank that did not arrive or is unreachable
   * @throws org.lvxattn.GroupInterruptedException if the thread is interrupted while it waits
   * @throws WrongThreadException if another thread owns the device
   */
  public static Group gloo(
      Device device,
      int rank,
      int size,
      Rendezvous rendezvous,
      @Nullable String host,
      GroupOptions options) {
    Handles.requireUsable(device, "device");
    Preconditions.present(rendezvous, "rendezvous");
    Preconditions.present(options, "options");
    GroupOptions told = options.withEnvironment(System::getenv);
    try (ProcessBootstrap bootstrap = ProcessBootstrap.gloo(rank, size, host, told)) {
      return bootstrap.meet(device, rendezvous);
    }
  }

  /**
   * Joins a group whose ranks are CUDA devices, over NCCL 2.18 or later. NCCL moves the data and
   * announcements go over TCP. Otherwise it is like {@link #gloo}: errors also name a failed or
   * missing rank. A process may have several ranks, each with its own device and thread.
   *
   * <p>NCCL is loaded from the system or the CUDA toolkit. If it is elsewhere, for instance in a
   * pip wheel, set the environment variable {@code LVX_NCCL_LIBRARY} to the file.
   *
   * @param rank of this device, 0 to size - 1
   * @param size number of ranks, 1 to 4096
   * @param rendezvous how the ranks find each other
   * @param host the name or address by which the other ranks reach this machine. Null: the address
   *     that its own name resolves to. If other machines cannot use that address: the address of a
   *     network interface, IPv4 preferred
   * @param options of the group; the timeout also bounds the rendezvous and the setup of NCCL's
   *     connections
   * @throws NullPointerException if device, rendezvous or options is null
   * @throws IllegalArgumentException if rank or size is out of range, or host is not this machine
   * @throws IllegalStateException if the device was closed
   * @throws org.lvxattn.UnsupportedRequestException if the device is not a CUDA device
   * @throws org.lvxattn.GroupJoinException if the ranks do not fit together, so that waiting would
   *     not help
   * @throws GroupException that names a rank that did not arrive or is unreachable
   * @throws org.lvxattn.GroupInterruptedException if the thread is interrupted while it waits
   * @throws org.lvxattn.LvxException with {@link org.lvxattn.Status#MISSING_LIBRARY} if NCCL is not
   *     installed
   * @throws WrongThreadException if another thread owns the device
   */
  public static Group nccl(
      Device device,
      int rank,
      int size,
      Rendezvous rendezvous,
      @Nullable String host,
      GroupOptions options) {
    Handles.requireUsable(device, "device");
    Preconditions.present(rendezvous, "rendezvous");
    Preconditions.present(options, "options");
    GroupOptions told = options.withEnvironment(System::getenv);
    try (ProcessBootstrap bootstrap = ProcessBootstrap.nccl(rank, size, host, told)) {
      return bootstrap.meet(device, rendezvous);
    }
  }

  /**
   * Joins the group of all ranks that pass the same NCCL id at the same time: for schedulers that
   * can only broadcast bytes. Errors cannot name a missing rank.
   *
   * @param id result of {@link #newNcclId} on one of the ranks, or of NCCL's {@code
   *     ncclGetUniqueId}; 128 bytes
   * @throws IllegalArgumentException if id has another length, or as with a rendezvous
   * @throws org.lvxattn.PeerTimeoutException if a rank did not arrive in time
   * @see #nccl(Device, int, int, Rendezvous, String, GroupOptions)
   */
  public static Group nccl(
      Device device, int rank, int size, byte[] id, @Nullable String host, GroupOptions options) {
    Handles.requireUsable(device, "device");
    Preconditions.present(id, "id");
    Preconditions.present(options, "options");
    Preconditions.require(
        id.length == Lvx.LVX_NCCL_ID_BYTES(),
        "id has " + id.length + " bytes; " + Lvx.LVX_NCCL_ID_BYTES() + " were expected");
    GroupOptions told = options.withEnvironment(System::getenv);
    return PlatformThreads.run(null, () -> joinByNcclId(device, rank, size, id, host, told));
  }

  private static Group joinByNcclId(
      Device device, int rank, int size, byte[] id, @Nullable String host, GroupOptions told) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      MemorySegment name = Texts.optional(host, arena, "host");
      int status =
          Lvx.lvx_group_create_nccl(
              Handles.handle(device),
              rank,
              size,
              arena.allocateFrom(ValueLayout.JAVA_BYTE, id),
              name,
              told.toNative(arena),
              handle);
      RejectedConnections.log(rank);
      NativeCalls.check(status);
      return new Group(device, handle.get(ValueLayout.JAVA_LONG, 0), told);
    }
  }

  /**
   * Creates an NCCL unique id. One rank calls this, and all ranks pass the id to {@link
   * #nccl(Device, int, int, byte[], String, GroupOptions)}. An id serves one group only.
   *
   * @return 128 bytes
   * @throws org.lvxattn.LvxException with {@link org.lvxattn.Status#MISSING_LIBRARY} if NCCL is not
   *     installed
   * @throws LinkageError if the native library cannot be loaded
   */
  public static byte[] newNcclId() {
    NativeCalls.load();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment id = arena.allocate(Lvx.LVX_NCCL_ID_BYTES());
      NativeCalls.check(Lvx.lvx_nccl_new_id(id));
      return id.toArray(ValueLayout.JAVA_BYTE);
    }
  }

  /** Joins the processes that MPI has started over NCCL; MPI only exchanges their addresses. */
  private static Group ncclByMpi(Device device, @Nullable String host, GroupOptions options) {
    try (Device cpu = Device.cpu(CpuOptions.builder().threads(1).build());
        Group processes = mpi(cpu, options)) {
      Rendezvous rendezvous = (rank, size, mine, timeout) -> processes.allGather(mine);
      return nccl(device, processes.rank(), processes.size(), rendezvous, host, options);
    }
  }

  /**
   * Joins the group of all processes that {@code mpirun}, or another MPI launcher, has started.
   * Initialises MPI if necessary. MPI is finalised when the process ends; that waits for the peers.
   *
   * @throws NullPointerException if an argument is null
   * @throws IllegalStateException if the device was closed, if MPI is unusable because an earlier
   *     MPI group failed, or if MPI and the launcher report different numbers of processes, for
   *     instance because they belong to different MPI installations
   * @throws org.lvxattn.LvxException with {@link org.lvxattn.Status#MISSING_LIBRARY} if MPI is not
   *     installed
   * @throws WrongThreadException if another thread owns the device
   */
  public static Group mpi(Device device, GroupOptions options) {
    Handles.requireUsable(device, "device");
    Preconditions.present(options, "options");
    return PlatformThreads.run(null, () -> joinByMpi(device, options));
  }

  private static Group joinByMpi(Device device, GroupOptions options) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(
          Lvx.lvx_group_create_mpi(Handles.handle(device), options.toNative(arena), handle));
      return new Group(device, handle.get(ValueLayout.JAVA_LONG, 0), options);
    }
  }

  /**
   * As {@link #fromEnvironment(Device, GroupOptions)}, with default options.
   *
   * @throws IllegalStateException if the device was closed or the environment is invalid
   */
  public static Group fromEnvironment(Device device) {
    return fromEnvironment(device, GroupOptions.defaults());
  }

  /**
   * Joins the group that the environment variables of this process's launcher describe.
   *
   * <ul>
   *   <li>{@code WORLD_SIZE} above 1, with {@code RANK}, {@code MASTER_ADDR} and {@code
   *       MASTER_PORT}, as torchrun sets them: Gloo. Rank 0 serves the rendezvous at that address;
   *       a name that does not resolve yet is retried until the timeout. The other ranks reach this
   *       machine by its address on the route to rank 0, or by the address of the interface that
   *       {@code GLOO_SOCKET_IFNAME} names. Of that interface's addresses, one of rank 0's family
   *       is preferred; link-local ones are never used.
   *   <li>{@code OMPI_COMM_WORLD_SIZE} or {@code PMI_SIZE} above 1, as mpirun sets it, or {@code
   *       SLURM_STEP_NUM_TASKS} with {@code PMIX_RANK}, as srun does: MPI.
   *   <li>Otherwise a group of one rank.
   * </ul>
   *
   * <p>{@code LVX_GROUP} selects the backend: {@code gloo}, {@code mpi} or {@code nccl}. NCCL's
   * ranks find each other by {@code MASTER_ADDR} or MPI. If it is not set, CUDA devices are joined
   * by NCCL.
   *
   * @throws NullPointerException if an argument is null
   * @throws IllegalStateException if the device was closed or the environment is invalid; the
   *     message names the variable
   * @throws org.lvxattn.GroupJoinException if the ranks do not fit together, so that waiting would
   *     not help
   * @throws GroupException that names a rank that did not arrive or is unreachable
   * @throws org.lvxattn.GroupInterruptedException if the thread is interrupted while it waits
   * @throws org.lvxattn.LvxException with {@link org.lvxattn.Status#MISSING_LIBRARY} if the backend
   *     is not installed
   * @throws WrongThreadException if another thread owns the device
   */
  public static Group fromEnvironment(Device device, GroupOptions options) {
    return fromEnvironment(device, null, options, System::getenv);
  }

  /**
   * As {@link #fromEnvironment(Device, GroupOptions)}, with a backend of the caller's choice.
   *
   * @param backend {@link GroupBackend#GLOO}, {@link GroupBackend#MPI} or {@link GroupBackend#NCCL}
   * @throws IllegalArgumentException if backend is none of these
   * @throws IllegalStateException if the device was closed or the environment is invalid, or has
   *     nothing that the backend can use
   */
  public static Group fromEnvironment(Device device, GroupBackend backend, GroupOptions options) {
    return fromEnvironment(
        device, Preconditions.present(backend, "backend"), options, System::getenv);
  }

  static Group fromEnvironment(
      Device device,
      @Nullable GroupBackend backend,
      GroupOptions options,
      UnaryOperator<@Nullable String> variables) {
    Handles.requireUsable(device, "device");
    Preconditions.present(options, "options");
    LaunchEnvironment launch = LaunchEnvironment.read(variables, device.kind(), backend);
    GroupOptions told = options.withEnvironment(variables);
    int rank = launch.rank();
    int size = launch.size();
    Duration timeout = options.timeout();
    long expiry = System.nanoTime() + timeout.toNanos();
    return switch (launch.kind()) {
      case SELF -> self(device, told);
      case MPI -> mpi(device, told);
      case GLOO ->
          gloo(
              device,
              rank,
              size,
              launch.rendezvous(expiry),
              launch.ownHost(variables, expiry, timeout),
              told);
      case NCCL ->
          nccl(
              device,
              rank,
              size,
              launch.rendezvous(expiry),
              launch.ownHost(variables, expiry, timeout),
              told);
      case NCCL_BY_MPI -> ncclByMpi(device, LaunchEnvironment.anyHost(variables), told);
    };
  }

  /**
   * Loads the libraries of a backend without creating a group, for diagnostics.
   *
   * @throws NullPointerException if backend is null
   * @throws org.lvxattn.LvxException with {@link org.lvxattn.Status#MISSING_LIBRARY}, naming the
   *     missing library and where to get it
   * @throws LinkageError if the native library cannot be loaded
   */
  public static void loadBackend(GroupBackend backend) {
    Preconditions.present(backend, "backend");
    NativeCalls.load();
    int code =
        switch (backend) {
          case SELF -> Lvx.LVX_GROUP_SELF();
          case LOCAL -> Lvx.LVX_GROUP_LOCAL();
          case GLOO -> Lvx.LVX_GROUP_GLOO();
          case MPI -> Lvx.LVX_GROUP_MPI();
          case NCCL -> Lvx.LVX_GROUP_NCCL();
        };
    NativeCalls.check(Lvx.lvx_group_load_backend(code));
  }

  /**
   * The longest time that an operation waits for a peer at any one point.
   *
   * @throws IllegalStateException if the group was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Duration timeout() {
    calls.requireUsable();
    try (Arena arena = Arena.ofConfined()) {
      double seconds = lvx_group_info.timeout_seconds(calls.query(arena));
      return Duration.ofNanos(Math.round(seconds * 1e9));
    }
  }

  /**
   * Sets the longest time that an operation waits for a peer at any one point. It applies to this
   * rank's operations from now on.
   *
   * @throws NullPointerException if timeout is null
   * @throws IllegalArgumentException if it is not longer than zero
   * @throws IllegalStateException if the group was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public void setTimeout(Duration timeout) {
    GroupOptions.requireTimeout(timeout);
    calls.requireUsable();
    NativeCalls.check(Lvx.lvx_group_set_timeout(calls.handle(), GroupOptions.seconds(timeout)));
    Reachability.keep(this);
  }

  /**
   * Waits until every rank of the group has called it.
   *
   * @throws IllegalStateException if the group was closed or has failed
   * @throws GroupException if a peer left, did not answer in time, or called a different collective
   * @throws org.lvxattn.GroupInterruptedException if the thread is interrupted while it waits
   * @throws WrongThreadException if another thread owns the device
   */
  public void barrier() {
    calls.requireUsable();
    calls.call(Operation.BARRIER.code(), () -> Lvx.lvx_group_barrier(calls.handle()));
  }

  /**
   * Makes {@link Strategy#AUTO} use a planner that knows this group's machine and links, instead of
   * measuring them. Every rank must pass the same one.
   *
   * @throws NullPointerException if planner is null
   * @throws IllegalStateException if the group was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public void setPlanner(Planner planner) {
    calls.requireUsable();
    automatic.use(Preconditions.present(planner, "planner"));
  }

  /**
   * All-gathers small messages in rank order. For control messages, not for data.
   *
   * @param mine 1 to 65536 bytes, the same number on every rank
   * @throws NullPointerException if mine is null
   * @throws IllegalArgumentException if mine is empty or too long
   * @throws IllegalStateException if the group was closed or has failed
   * @throws GroupException if a peer left, did not answer in time, or called a different collective
   * @throws org.lvxattn.GroupInterruptedException if the thread is interrupted while it waits
   * @throws WrongThreadException if another thread owns the device
   */
  public List<byte[]> allGather(byte[] mine) {
    calls.requireUsable();
    int length =
        calls.prepare(
            Operation.ALL_GATHER.code(), () -> Preconditions.present(mine, "mine").length);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment all = arena.allocate(Math.max(1, (long) length * size()));
      MemorySegment said = arena.allocateFrom(ValueLayout.JAVA_BYTE, mine);
      calls.call(
          Operation.ALL_GATHER.code(),
          () -> Lvx.lvx_group_all_gather(calls.handle(), said, length, all));
      List<byte[]> result = new ArrayList<>();
      for (int peer = 0; peer < size(); peer++) {
        result.add(all.asSlice((long) peer * length, length).toArray(ValueLayout.JAVA_BYTE));
      }
      return List.copyOf(result);
    }
  }

  /**
   * Replaces a tensor by its sum over the ranks, for instance to sum weight gradients over all
   * ranks' rows. The order of summation depends only on the number of ranks, and all ranks get the
   * same bits.
   *
   * @param tensor input and output: float32 or float64, 1 to 4 dimensions, compact row-major; the
   *     same dtype and shape on every rank
   * @throws NullPointerException if tensor is null
   * @throws IllegalArgumentException if its dtype, number of dimensions, strides or device is
   *     wrong, or it is read-only
   * @throws IllegalStateException if the tensor or the group was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called a different collective
   * @throws org.lvxattn.GroupInterruptedException if the thread is interrupted while it waits
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public void allReduce(Tensor tensor) {
    calls.requireUsable();
    calls.call(
        Operation.ALL_REDUCE.code(),
        () -> Lvx.lvx_group_all_reduce(calls.handle(), Handles.output(tensor, device(), "tensor")));
    Reachability.keep(tensor);
  }

  /**
   * Whether an operation failed after it had started, so that the group can only be closed.
   *
   * @throws IllegalStateException if the group was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public boolean failed() {
    calls.requireUsable();
    try (Arena arena = Arena.ofConfined()) {
      return lvx_group_info.failed(calls.query(arena)) != 0;
    }
  }

  /**
   * The latest operations of this rank, oldest first. Any thread may call this, even while an
   * operation runs. Operations are also events of JDK Flight Recorder, {@code
   * org.lvxattn.Operation}.
   *
   * @throws IllegalStateException if the group was closed
   */
  public List<FlightRecord> flightRecords() {
    calls.requireOpen();
    return calls.records();
  }

  /**
   * Leaves the group. Peers that wait for this rank, now or later, get a {@link
   * org.lvxattn.PeerLostException}.
   *
   * <p>Closing it again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    if (calls.isOpen()) {
      calls.requireUsable();
      calls.close();
    }
  }

  /**
   * Declines a collective call: tells the peers that this rank will not make it because of an
   * error. Their calls fail with {@link org.lvxattn.PeerMismatchException}, which names this rank
   * and the error, and the group stays usable. For code that fails before a collective call; a call
   * with wrong arguments declines by itself. Does not block.
   *
   * @param operation the call that the peers make
   * @param mistake why this rank does not make it; a {@link GroupException} is not reported, since
   *     the peers know it already
   * @return the mistake, for the caller to throw; a failure to report it is added as suppressed
   */
  public <E extends Throwable> E decline(Operation operation, E mistake) {
    return calls.decline(operation.code(), mistake);
  }

  boolean isOpen() {
    return calls.isOpen();
  }

  @Override
  protected Strategy chooseStrategy(
      Pass pass, CrossAttention attention, AttentionInputs inputs, @Nullable Tensor dBias) {
    return automatic.choose(pass, attention, inputs, dBias);
  }

  @Override
  public String toString() {
    return "Group[rank " + rank() + " of " + size() + (!isOpen() ? ", closed]" : "]");
  }
}
