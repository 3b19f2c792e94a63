// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.plan.AttentionProblem;
import org.lvxattn.plan.AttentionSizes;
import org.lvxattn.plan.BiasShape;
import org.lvxattn.plan.Calibration;
import org.lvxattn.plan.Machine;
import org.lvxattn.plan.Pass;
import org.lvxattn.plan.Planner;
import org.lvxattn.plan.Reach;
import org.lvxattn.plan.Shards;
import org.lvxattn.plan.Topology;

/**
 * What {@link Strategy#AUTO} stands for in one group: the ranks tell each other their shapes, and
 * every rank asks the same planner the same question.
 */
final class AutomaticStrategy {
  private static final int REMEMBERED = 256;

  /** Blocks large enough for the kernels' full rate, small enough to be measured at once. */
  private static final long MOST_MEASURED_QUERIES = 128;

  private static final long MOST_MEASURED_KEYS = 2048;

  private final Group group;
  private final GroupOptions options;
  private final Map<AttentionSizes, Planner> measured = new HashMap<>();
  private final Map<Question, Strategy> answers =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Question, Strategy> eldest) {
          return size() > REMEMBERED;
        }
      };
  private @Nullable Topology topology;
  private @Nullable Planner given;

  AutomaticStrategy(Group group, GroupOptions options) {
    this.group = group;
    this.options = options;
  }

  private record Question(AttentionSizes sizes, Pass pass, List<List<Long>> facts) {}

  /** Decides by this planner from now on. */
  void use(Planner planner) {
    given = planner;
    answers.clear();
  }

  /**
   * The cheapest strategy for a call whose arguments have been checked. Collective.
   *
   * @throws GroupException if a peer left, did not answer in time, or called something else
   */
  Strategy choose(
      CrossAttention attention, Tensor q, Tensor k, Mask mask, Pass pass, boolean biasGradient) {
    if (group.size() == 1) {
      return Strategy.QUERY_RING;
    }
    AttentionSizes sizes =
        new AttentionSizes(
            Math.toIntExact(q.dimension(0)),
            attention.heads(),
            attention.keyValueHeads(),
            attention.headDim(),
            q.dtype());
    List<List<Long>> facts = gather(Facts.of(q, k, mask, biasGradient));
    // Ranks that differ in what must be alike are told so by the call itself.
    if (facts.stream().map(Facts::alike).distinct().count() > 1) {
      return Strategy.QUERY_RING;
    }
    Shards shards =
        new Shards(
            facts.stream().map(Facts::queries).toList(), facts.stream().map(Facts::keys).toList());
    List<List<Long>> pairs = List.of();
    Tensor visibility = mask.visibility();
    if (visibility != null) {
      pairs = gather(Reach.visiblePairs(visibility.toInts(), shards.keys()));
      facts = new ArrayList<>(facts);
      facts.addAll(pairs);
    }
    Question question = new Question(sizes, pass, facts);
    Strategy answer = answers.get(question);
    if (answer == null) {
      answer = planner(sizes, shards).plan(problem(question, shards, pairs), pass).choice();
      answers.put(question, answer);
    }
    return answer;
  }

  private static AttentionProblem problem(
      Question question, Shards shards, List<List<Long>> pairs) {
    List<Long> first = question.facts().get(0);
    AttentionProblem problem = AttentionProblem.of(question.sizes(), shards);
    if (!pairs.isEmpty()) {
      List<long[]> rows = new ArrayList<>();
      List<Integer> ranges = new ArrayList<>();
      for (int rank = 0; rank < pairs.size(); rank++) {
        rows.add(pairs.get(rank).stream().mapToLong(Long::longValue).toArray());
        ranges.add(Math.toIntExact(Facts.ranges(question.facts().get(rank))));
      }
      problem = problem.withReach(Reach.of(rows, ranges));
    }
    return Facts.hasBias(first)
        ? problem.withBias(Facts.bias(first, question.sizes().dtype()))
        : problem;
  }

  private Planner planner(AttentionSizes sizes, Shards shards) {
    if (given != null) {
      return given;
    }
    Planner planner = measured.get(sizes);
    if (planner == null) {
      Machine machine =
          Calibration.machine(
              group,
              sizes,
              Math.clamp(shards.allQueries() / group.size(), 1, MOST_MEASURED_QUERIES),
              Math.clamp(shards.allKeys() / group.size(), 1, MOST_MEASURED_KEYS));
      planner = new Planner(machine, topology());
      measured.put(sizes, planner);
    }
    return planner;
  }

  private Topology topology() {
    Topology known = topology;
    if (known == null) {
      int ranksPerNode = options.ranksPerNode() == 0 ? group.size() : options.ranksPerNode();
      boolean emulated =
          !options.intra().equals(Link.INSTANT) || !options.inter().equals(Link.INSTANT);
      known =
          emulated
              ? new Topology(ranksPerNode, options.intra(), options.inter(), options.sharedInter())
              : Calibration.topology(group, ranksPerNode, options.sharedInter());
      topology = known;
    }
    return known;
  }

  private List<List<Long>> gather(long[] mine) {
    ByteBuffer bytes = ByteBuffer.allocate(mine.length * Long.BYTES);
    bytes.asLongBuffer().put(mine);
    List<List<Long>> all = new ArrayList<>();
    for (byte[] theirs : group.allGather(bytes.array())) {
      List<Long> numbers = new ArrayList<>();
      for (int i = 0; i < mine.length; i++) {
        numbers.add(ByteBuffer.wrap(theirs).getLong(i * Long.BYTES));
      }
      all.add(numbers);
    }
    return all;
  }

  /** What one rank tells the others of its call. */
  private static final class Facts {
    static long[] of(Tensor q, Tensor k, Mask mask, boolean biasGradient) {
      Tensor visibility = mask.visibility();
      Tensor bias = mask.bias();
      return new long[] {
        q.dimension(1),
        k.dimension(1),
        visibility == null ? 0 : visibility.dimension(2),
        q.dimension(0),
        q.dtype().bytes(),
        visibility == null ? 0 : 1,
        bias == null ? 0 : 1,
        bias == null || bias.dimension(0) == 1 ? 0 : 1,
        bias == null || bias.dimension(1) == 1 ? 0 : 1,
        bias == null || bias.dimension(2) == 1 ? 0 : 1,
        bias == null || bias.dtype() != DType.FLOAT32 ? 0 : 1,
        biasGradient ? 1 : 0
      };
    }

    static long queries(List<Long> facts) {
      return facts.get(0);
    }

    static long keys(List<Long> facts) {
      return facts.get(1);
    }

    static long ranges(List<Long> facts) {
      return facts.get(2);
    }

    static List<Long> alike(List<Long> facts) {
      return facts.subList(3, 7);
    }

    static boolean hasBias(List<Long> facts) {
      return facts.get(6) != 0;
    }

    static BiasShape bias(List<Long> facts, DType queries) {
      return new BiasShape(
          facts.get(7) != 0,
          facts.get(8) != 0,
          facts.get(9) != 0,
          facts.get(10) != 0 ? DType.FLOAT32 : queries,
          facts.get(11) != 0);
    }
  }
}
