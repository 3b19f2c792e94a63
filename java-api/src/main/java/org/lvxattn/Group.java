// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.lvxattn.LaunchEnvironment.Machine;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_attention_options;
import org.lvxattn.bindings.generated.lvx_group_info;
import org.lvxattn.bindings.generated.lvx_record;
import org.lvxattn.bindings.generated.lvx_statistics;
import org.lvxattn.plan.Planner;

/**
 * One rank's part in a group of ranks that compute together.
 *
 * <p>Operations of a group are collective: every rank makes the same ones in the same order. A rank
 * that fails, leaves, stalls or calls something else makes the operation of every other rank end
 * with a {@link GroupException} that names it, at the latest when the deadline has passed; nothing
 * waits for ever. After {@link PeerLostException} or {@link DeadlineExceededException} the group
 * has {@link #failed}: close it and make a new one. After {@link PeerMismatchException} it can be
 * used on.
 *
 * <p>Where a call is refused on one rank, whatever was wrong with its arguments, the other ranks'
 * calls end with {@link PeerMismatchException} at once. What no rank can be told of is a group that
 * is null, closed or of another thread: the others wait for that rank until the deadline.
 */
public final class Group implements AutoCloseable {
  private final Device device;
  private final GroupResource resource;
  private final MemorySegment callOptions;
  private final MemorySegment statistics;
  private final AutomaticStrategy automatic;
  private final int rank;
  private final int size;

  private volatile boolean closed;

  Group(Device device, long handle, GroupOptions options) {
    this.device = device;
    this.automatic = new AutomaticStrategy(this, options);
    this.resource = new GroupResource(device.resource(), handle);
    this.callOptions = resource.slot().asSlice(0, lvx_attention_options.sizeof());
    this.statistics =
        resource.slot().asSlice(lvx_attention_options.sizeof(), lvx_statistics.sizeof());
    lvx_attention_options.struct_size(callOptions, lvx_attention_options.sizeof());
    lvx_statistics.struct_size(statistics, lvx_statistics.sizeof());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = query(arena);
      rank = lvx_group_info.rank(info);
      size = lvx_group_info.size(info);
    }
    resource.watch(this);
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
    Arguments.present(device, "device").requireUsable("device");
    Arguments.present(options, "options");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(
          Lvx.lvx_group_create_self(device.handle(), options.toNative(arena), handle));
      return new Group(device, handle.get(ValueLayout.JAVA_LONG, 0), options);
    }
  }

  /**
   * One rank of a group whose ranks are processes, joined over TCP. All ranks call it at the same
   * time; it returns when they are connected. After a failure the survivors can make a new group of
   * the rest by it.
   *
   * <p>Named for Gloo, which carried the data once: its listeners trust whoever connects, so that
   * this library now connects the ranks by itself. Both sides of each connection prove that they
   * know the addresses of all ranks and the secret of the options, if any. Connections that do not
   * are dropped, each with a warning of the {@link System.Logger} named {@code org.lvxattn} once
   * the ranks have met or failed to; of many the first ten, and the number of the others. Nothing
   * is encrypted.
   *
   * @param rank of this process, 0 to size - 1
   * @param size number of processes, 1 to 4096
   * @param rendezvous how they find each other
   * @param host the name or address of this machine by which the others reach it; null for what its
   *     own name resolves to or, where that is none that others can use, an interface's, IPv4 first
   * @param options of the group; the deadline also bounds the rendezvous
   * @throws NullPointerException if device, rendezvous or options is null
   * @throws IllegalArgumentException if rank or size is out of range, or host is not this machine
   * @throws IllegalStateException if the device was closed
   * @throws GroupJoinException if the ranks do not fit together, which waiting would not mend: they
   *     were given different secrets, for instance
   * @throws GroupException naming a rank that did not come or cannot be reached
   * @throws WrongThreadException if another thread owns the device
   */
  public static Group gloo(
      Device device,
      int rank,
      int size,
      Rendezvous rendezvous,
      @Nullable String host,
      GroupOptions options) {
    Arguments.present(device, "device").requireUsable("device");
    Arguments.present(rendezvous, "rendezvous");
    Arguments.present(options, "options");
    GroupOptions told = options.withEnvironment(System::getenv);
    try (ProcessBootstrap bootstrap = ProcessBootstrap.gloo(rank, size, host, told)) {
      return bootstrap.meet(device, rendezvous);
    }
  }

  /**
   * One rank of a group whose ranks are CUDA devices, joined by NCCL 2.18 or later. As {@link
   * #gloo} otherwise, and as exact about a rank that fails or does not come: data moves by NCCL,
   * what ranks agree on over TCP. A process may have several ranks, each with a device and a thread
   * of its own.
   *
   * <p>NCCL is looked for where the system finds libraries and in the CUDA toolkit; the environment
   * variable {@code LVX_NCCL_LIBRARY} names the file where it is elsewhere, as in pip's wheels.
   *
   * @param rank of this device, 0 to size - 1
   * @param size number of ranks, 1 to 4096
   * @param rendezvous how they find each other
   * @param host the name or address of this machine by which the others reach it; null for what its
   *     own name resolves to or, where that is none that others can use, an interface's, IPv4 first
   * @param options of the group; the deadline also bounds the rendezvous and NCCL's connecting
   * @throws NullPointerException if device, rendezvous or options is null
   * @throws IllegalArgumentException if rank or size is out of range, or host is not this machine
   * @throws IllegalStateException if the device was closed
   * @throws UnsupportedRequestException if the device is no CUDA device
   * @throws GroupJoinException if the ranks do not fit together, which waiting would not mend
   * @throws GroupException naming a rank that did not come or cannot be reached
   * @throws LvxException with {@link Status#MISSING_LIBRARY} if NCCL is not installed
   * @throws WrongThreadException if another thread owns the device
   */
  public static Group nccl(
      Device device,
      int rank,
      int size,
      Rendezvous rendezvous,
      @Nullable String host,
      GroupOptions options) {
    Arguments.present(device, "device").requireUsable("device");
    Arguments.present(rendezvous, "rendezvous");
    Arguments.present(options, "options");
    GroupOptions told = options.withEnvironment(System::getenv);
    try (ProcessBootstrap bootstrap = ProcessBootstrap.nccl(rank, size, host, told)) {
      return bootstrap.meet(device, rendezvous);
    }
  }

  /**
   * One rank of a group of all ranks that pass the same id at the same time: for schedulers that
   * can spread a few bytes, and no more. A rank that does not come cannot be named then.
   *
   * @param id what {@link #newNcclId} gave one of the ranks, or NCCL's own {@code ncclGetUniqueId};
   *     128 bytes
   * @throws IllegalArgumentException if id has another length, and as with a rendezvous
   * @throws DeadlineExceededException if some rank did not come
   * @see #nccl(Device, int, int, Rendezvous, String, GroupOptions)
   */
  public static Group nccl(
      Device device, int rank, int size, byte[] id, @Nullable String host, GroupOptions options) {
    Arguments.present(device, "device").requireUsable("device");
    Arguments.present(id, "id");
    Arguments.present(options, "options");
    Arguments.require(
        id.length == Lvx.LVX_NCCL_ID_BYTES(),
        "id has " + id.length + " bytes; " + Lvx.LVX_NCCL_ID_BYTES() + " were expected");
    GroupOptions told = options.withEnvironment(System::getenv);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      MemorySegment name = Arguments.optionalText(host, arena, "host");
      int status =
          Lvx.lvx_group_create_nccl(
              device.handle(),
              rank,
              size,
              arena.allocateFrom(ValueLayout.JAVA_BYTE, id),
              name,
              told.toNative(arena),
              handle);
      MeetingStrangers.log(rank);
      NativeCalls.check(status);
      return new Group(device, handle.get(ValueLayout.JAVA_LONG, 0), told);
    }
  }

  /**
   * What NCCL calls a unique id: one rank makes it, all pass it to {@link #nccl(Device, int, int,
   * byte[], String, GroupOptions)}. It serves one group.
   *
   * @return 128 bytes
   * @throws LvxException with {@link Status#MISSING_LIBRARY} if NCCL is not installed
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

  /** The processes that MPI has started, joined by NCCL: MPI only tells their addresses. */
  private static Group ncclByMpi(Device device, @Nullable String host, GroupOptions options) {
    try (Device cpu = Device.cpu(CpuOptions.defaults().withThreads(1));
        Group processes = mpi(cpu, options)) {
      Rendezvous rendezvous = (rank, size, mine, timeout) -> processes.allGather(mine);
      return nccl(device, processes.rank(), processes.size(), rendezvous, host, options);
    }
  }

  /**
   * This process's rank among all processes that {@code mpirun}, or another launcher of MPI, has
   * started. MPI is started if it is not running; it ends with the process, and waits for the peers
   * then.
   *
   * @throws NullPointerException if an argument is null
   * @throws IllegalStateException if the device was closed, MPI cannot be used any more because an
   *     earlier group of it broke off, or MPI knows of another number of processes than the
   *     launcher says that it has started, as where they belong to different MPIs
   * @throws LvxException with {@link Status#MISSING_LIBRARY} if MPI is not installed
   * @throws WrongThreadException if another thread owns the device
   */
  public static Group mpi(Device device, GroupOptions options) {
    Arguments.present(device, "device").requireUsable("device");
    Arguments.present(options, "options");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_group_create_mpi(device.handle(), options.toNative(arena), handle));
      return new Group(device, handle.get(ValueLayout.JAVA_LONG, 0), options);
    }
  }

  /**
   * As {@link #fromEnvironment(Device, GroupOptions)}, with default options.
   *
   * @throws IllegalStateException if the device was closed or the environment makes no sense
   */
  public static Group fromEnvironment(Device device) {
    return fromEnvironment(device, GroupOptions.defaults());
  }

  /**
   * The group that this process was started for, as its launcher's environment describes it.
   *
   * <ul>
   *   <li>{@code WORLD_SIZE} above 1, with {@code RANK}, {@code MASTER_ADDR} and {@code
   *       MASTER_PORT}, as torchrun sets them: Gloo. Rank 0 serves the rendezvous at that address;
   *       a name that is not known yet is asked for until the timeout. The others reach this
   *       machine by the address it has towards rank 0's, or that of the interface which {@code
   *       GLOO_SOCKET_IFNAME} names, of rank 0's family if it has one and never a link-local one.
   *   <li>{@code OMPI_COMM_WORLD_SIZE} or {@code PMI_SIZE} above 1, as mpirun sets it, or {@code
   *       SLURM_STEP_NUM_TASKS} with {@code PMIX_RANK}, as srun does: MPI.
   *   <li>Otherwise a group of one rank.
   * </ul>
   *
   * <p>{@code LVX_GROUP} says which engine joins the processes: {@code gloo}, {@code mpi} or {@code
   * nccl}, which meets by {@code MASTER_ADDR} or by MPI. Where it is not set, devices other than
   * CPUs are joined by NCCL.
   *
   * @throws NullPointerException if an argument is null
   * @throws IllegalStateException if the device was closed or the environment makes no sense; the
   *     message names the variable
   * @throws GroupJoinException if the ranks do not fit together, which waiting would not mend
   * @throws GroupException naming a rank that did not come or cannot be reached
   * @throws LvxException with {@link Status#MISSING_LIBRARY} if the engine is not installed
   * @throws WrongThreadException if another thread owns the device
   */
  public static Group fromEnvironment(Device device, GroupOptions options) {
    return fromEnvironment(device, null, options, System::getenv);
  }

  /**
   * As {@link #fromEnvironment(Device, GroupOptions)}, with an engine of the caller's choice.
   *
   * @param engine {@link Kind#GLOO}, {@link Kind#MPI} or {@link Kind#NCCL}
   * @throws IllegalArgumentException if engine is another
   * @throws IllegalStateException if the device was closed or the environment makes no sense, or
   *     nothing that the engine can use
   */
  public static Group fromEnvironment(Device device, Kind engine, GroupOptions options) {
    return fromEnvironment(device, Arguments.present(engine, "engine"), options, System::getenv);
  }

  static Group fromEnvironment(
      Device device,
      @Nullable Kind engine,
      GroupOptions options,
      UnaryOperator<@Nullable String> variables) {
    Arguments.present(device, "device").requireUsable("device");
    Arguments.present(options, "options");
    LaunchEnvironment launch = LaunchEnvironment.read(variables, device.kind(), engine);
    GroupOptions told = options.withEnvironment(variables);
    int rank = launch.rank();
    int size = launch.size();
    Duration timeout = options.deadline();
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
              launch.ownHost(variables, Machine.own(), expiry, timeout),
              told);
      case NCCL ->
          nccl(
              device,
              rank,
              size,
              launch.rendezvous(expiry),
              launch.ownHost(variables, Machine.own(), expiry, timeout),
              told);
      case NCCL_BY_MPI ->
          ncclByMpi(device, LaunchEnvironment.anyHost(variables, Machine.own()), told);
    };
  }

  /** What joins the ranks of a group. */
  public enum Kind {
    /** Nothing: one rank. */
    SELF(Lvx.LVX_GROUP_SELF()),
    /** Ranks are threads of one process. */
    LOCAL(Lvx.LVX_GROUP_LOCAL()),
    /** Ranks are processes, joined over TCP; see {@link Group#gloo}. */
    GLOO(Lvx.LVX_GROUP_GLOO()),
    /** Ranks are processes, joined by MPI. */
    MPI(Lvx.LVX_GROUP_MPI()),
    /** Ranks are CUDA devices, of any processes, joined by NCCL. */
    NCCL(Lvx.LVX_GROUP_NCCL());

    private final int code;

    Kind(int code) {
      this.code = code;
    }
  }

  /**
   * Loads what groups of a kind need, without making one: for diagnosis.
   *
   * @throws NullPointerException if kind is null
   * @throws LvxException with {@link Status#MISSING_LIBRARY}, naming what is missing and where it
   *     comes from
   * @throws LinkageError if the native library cannot be loaded
   */
  public static void loadEngine(Kind kind) {
    Arguments.present(kind, "kind");
    NativeCalls.load();
    NativeCalls.check(Lvx.lvx_group_load_engine(kind.code));
  }

  /** This rank's number, from 0. */
  public int rank() {
    return rank;
  }

  /** Number of ranks. */
  public int size() {
    return size;
  }

  /** What this rank computes with. */
  public Device device() {
    return device;
  }

  /**
   * The longest wait for a peer at any one point.
   *
   * @throws IllegalStateException if the group was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Duration deadline() {
    requireUsable();
    try (Arena arena = Arena.ofConfined()) {
      double seconds = lvx_group_info.deadline_seconds(query(arena));
      return Duration.ofNanos(Math.round(seconds * 1e9));
    }
  }

  /**
   * Sets the longest wait for a peer at any one point, for operations of this rank from now on.
   *
   * @throws NullPointerException if deadline is null
   * @throws IllegalArgumentException if it is not longer than zero
   * @throws IllegalStateException if the group was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public void deadline(Duration deadline) {
    GroupOptions.requireDeadline(deadline);
    requireUsable();
    NativeCalls.check(Lvx.lvx_group_set_deadline(resource.handle, GroupOptions.seconds(deadline)));
    Reachability.keep(this);
  }

  /**
   * Returns when every rank of the group has called it.
   *
   * @throws IllegalStateException if the group was closed or has failed
   * @throws GroupException if a peer left, did not answer in time, or called something else
   * @throws WrongThreadException if another thread owns the device
   */
  public void barrier() {
    requireUsable();
    OperationEvent event = FlightEvents.begin(this);
    int status = Lvx.lvx_group_barrier(resource.handle);
    FlightEvents.end(event, this);
    NativeCalls.check(status);
    Reachability.keep(this);
  }

  /**
   * Lets {@link Strategy#AUTO} decide by a planner that knows this group's machine and links,
   * instead of measuring them. Every rank must be told the same.
   *
   * @throws NullPointerException if planner is null
   * @throws IllegalStateException if the group was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public void planner(Planner planner) {
    requireUsable();
    automatic.use(Arguments.present(planner, "planner"));
  }

  /**
   * Gives every rank what all ranks said, in rank order. For agreeing on small things, not for
   * data.
   *
   * @param mine 1 to 65536 bytes, as many on every rank
   * @throws NullPointerException if mine is null
   * @throws IllegalArgumentException if mine is empty or too long
   * @throws IllegalStateException if the group was closed or has failed
   * @throws GroupException if a peer left, did not answer in time, or called something else
   * @throws WrongThreadException if another thread owns the device
   */
  public List<byte[]> allGather(byte[] mine) {
    requireUsable();
    if (mine == null) {
      throw decline(Operation.ALL_GATHER, new NullPointerException("mine is null"));
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment all = arena.allocate(Math.max(1, (long) mine.length * size));
      MemorySegment said = arena.allocateFrom(ValueLayout.JAVA_BYTE, mine);
      OperationEvent event = FlightEvents.begin(this);
      int status = Lvx.lvx_group_all_gather(resource.handle, said, mine.length, all);
      FlightEvents.end(event, this);
      NativeCalls.check(status);
      Reachability.keep(this);
      List<byte[]> result = new ArrayList<>();
      for (int peer = 0; peer < size; peer++) {
        result.add(
            all.asSlice((long) peer * mine.length, mine.length).toArray(ValueLayout.JAVA_BYTE));
      }
      return List.copyOf(result);
    }
  }

  /**
   * Replaces a tensor by its sum over the ranks, for instance weight gradients by those of all
   * ranks' rows. The order of the sum depends on the number of ranks alone, and all ranks get the
   * same bits.
   *
   * @param tensor input and output: float32 or float64, 1 to 4 dimensions, compact; of the same
   *     dtype and shape on every rank
   * @throws NullPointerException if tensor is null
   * @throws IllegalArgumentException if its dtype, number of dimensions, strides or device is
   *     wrong, or it is read-only
   * @throws IllegalStateException if the tensor or the group was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called something else
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public void allReduce(Tensor tensor) {
    requireUsable();
    OperationEvent event;
    int status;
    try {
      event = FlightEvents.begin(this);
      status =
          Lvx.lvx_group_all_reduce(resource.handle, Arguments.output(tensor, device, "tensor"));
    } catch (RuntimeException e) { // native code never throws: the call was not made
      throw decline(Operation.ALL_REDUCE, e);
    }
    FlightEvents.end(event, this);
    NativeCalls.check(status);
    Reachability.keep(this);
    Reachability.keep(tensor);
  }

  /**
   * Whether an operation broke off, so that the group can only be closed.
   *
   * @throws IllegalStateException if the group was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public boolean failed() {
    requireUsable();
    try (Arena arena = Arena.ofConfined()) {
      return lvx_group_info.failed(query(arena)) != 0;
    }
  }

  /**
   * The newest operations of this rank, oldest first. Any thread may ask, also while an operation
   * runs. The same are events of JDK Flight Recorder, {@code org.lvxattn.Operation}.
   *
   * @throws IllegalStateException if the group was closed
   */
  public List<FlightRecord> flightRecords() {
    if (closed) {
      throw closedAlready();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_group_records(resource.handle, MemorySegment.NULL, 0, count));
      long capacity = count.get(ValueLayout.JAVA_LONG, 0);
      MemorySegment records = lvx_record.allocateArray(Math.max(capacity, 1), arena);
      NativeCalls.check(Lvx.lvx_group_records(resource.handle, records, capacity, count));
      Reachability.keep(this);
      // Operations may have begun in between: the newest that fit were copied.
      long copied = Math.min(capacity, count.get(ValueLayout.JAVA_LONG, 0));
      List<FlightRecord> result = new ArrayList<>();
      for (long i = 0; i < copied; i++) {
        result.add(FlightRecord.read(lvx_record.asSlice(records, i)));
      }
      return List.copyOf(result);
    }
  }

  /** The newest of {@link #flightRecords}; null if there is none. */
  @Nullable FlightRecord newestRecord() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
      MemorySegment record = lvx_record.allocate(arena);
      NativeCalls.check(Lvx.lvx_group_records(resource.handle, record, 1, count));
      Reachability.keep(this);
      return count.get(ValueLayout.JAVA_LONG, 0) == 0 ? null : FlightRecord.read(record);
    }
  }

  /**
   * Leaves the group. Peers that wait for this rank, now or later, get a {@link PeerLostException}.
   *
   * @throws IllegalStateException if the group was closed already
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    requireUsable();
    resource.close();
    closed = true;
  }

  /**
   * Tells the peers that this rank does not make a collective call that they make, or are about to
   * make, because of a mistake: their calls end with {@link PeerMismatchException}, which names
   * this rank and the mistake, and the group can be used on. For code that fails before a
   * collective call; a collective call with wrong arguments declines by itself. Does not wait.
   *
   * @param operation what the peers call
   * @param mistake why this rank does not; nothing is told if it is a {@link GroupException}, as
   *     the peers know of those
   * @return the mistake, to be thrown; with what kept it from being told, suppressed
   */
  public RuntimeException decline(Operation operation, RuntimeException mistake) {
    if (mistake instanceof GroupException) {
      return mistake; // the peers know
    }
    try (Arena arena = Arena.ofConfined()) {
      requireUsable();
      MemorySegment reason = arena.allocateFrom(String.valueOf(mistake.getMessage()));
      OperationEvent event = FlightEvents.begin(this);
      int status = Lvx.lvx_group_decline(resource.handle, operation.code(), reason);
      FlightEvents.end(event, this);
      NativeCalls.check(status);
      Reachability.keep(this);
    } catch (RuntimeException e) {
      mistake.addSuppressed(e);
    }
    return mistake;
  }

  AutomaticStrategy automatic() {
    return automatic;
  }

  boolean isOpen() {
    return !closed;
  }

  long handle() {
    return resource.handle;
  }

  /** The struct lvx_attention_options of this group, filled. */
  MemorySegment options(double scale, Strategy strategy) {
    lvx_attention_options.scale(callOptions, scale);
    lvx_attention_options.strategy(callOptions, strategy.code());
    return callOptions;
  }

  /** The struct lvx_statistics of this group, for a call to fill. */
  MemorySegment statistics() {
    return statistics;
  }

  void requireUsable() {
    device.requireUsable("group");
    if (closed) {
      throw closedAlready();
    }
  }

  private static IllegalStateException closedAlready() {
    return new IllegalStateException("group: it was closed; an open one was expected");
  }

  private MemorySegment query(Arena arena) {
    MemorySegment info = lvx_group_info.allocate(arena);
    lvx_group_info.struct_size(info, lvx_group_info.sizeof());
    NativeCalls.check(Lvx.lvx_group_query(resource.handle, info));
    Reachability.keep(this);
    return info;
  }

  @Override
  public String toString() {
    return "Group[rank " + rank + " of " + size + (closed ? ", closed]" : "]");
  }
}
