// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionInputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.Pass;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.plan.AttentionProblem;
import org.lvxattn.plan.AttentionSizes;
import org.lvxattn.plan.Machine;
import org.lvxattn.plan.Planner;
import org.lvxattn.plan.RankVisibility;
import org.lvxattn.plan.Shards;
import org.lvxattn.plan.Topology;

/**
 * {@link Strategy#AUTO} in one group: the ranks exchange their shapes, and each asks an equal
 * planner, so that all get the same answer.
 */
final class AutomaticStrategy {
  private static final int REMEMBERED = 256;

  /** Blocks large enough for the kernels' full rate, and small enough to be measured quickly. */
  private static final long MOST_MEASURED_QUERIES = 128;

  private static final long MOST_MEASURED_KEYS = 2048;

  private final Group group;
  private final GroupOptions options;
  private final LinkEmulation emulation;
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

  AutomaticStrategy(Group group, GroupOptions options, LinkEmulation emulation) {
    this.group = group;
    this.options = options;
    this.emulation = emulation;
  }

  private record Question(
      AttentionSizes sizes, Pass pass, List<CallFacts> facts, List<List<Long>> visiblePairs) {}

  /** Uses this planner from now on. */
  void use(Planner planner) {
    given = planner;
    answers.clear();
  }

  /**
   * The cheapest strategy for a call whose arguments have been checked. Collective.
   *
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  Strategy choose(
      Pass pass, CrossAttention attention, AttentionInputs inputs, @Nullable Tensor dBias) {
    if (group.size() == 1) {
      return Strategy.QUERY_RING;
    }
    AttentionSizes sizes =
        new AttentionSizes(
            Math.toIntExact(inputs.q().dimension(0)),
            attention.heads(),
            attention.keyValueHeads(),
            attention.headDim(),
            inputs.q().dtype());
    List<CallFacts> facts =
        group.allGather(CallFacts.of(inputs, dBias).encode()).stream()
            .map(CallFacts::decode)
            .toList();
    // If the ranks differ in what must be equal, the call itself reports it.
    if (facts.stream().map(CallFacts::common).distinct().count() > 1) {
      return Strategy.QUERY_RING;
    }
    Shards shards =
        new Shards(
            facts.stream().map(CallFacts::queries).toList(),
            facts.stream().map(CallFacts::keys).toList());
    Tensor visibility = inputs.mask().visibility();
    List<List<Long>> pairs =
        visibility == null
            ? List.of()
            : gather(RankVisibility.visiblePairs(visibility.toInts(), shards.keys()));
    Question question = new Question(sizes, pass, facts, pairs);
    Strategy answer = answers.get(question);
    if (answer == null) {
      answer = planner(sizes, shards).plan(problem(question, shards), pass).choice();
      answers.put(question, answer);
    }
    return answer;
  }

  private static AttentionProblem problem(Question question, Shards shards) {
    List<CallFacts> facts = question.facts();
    AttentionProblem problem = AttentionProblem.of(question.sizes(), shards);
    if (!question.visiblePairs().isEmpty()) {
      List<long[]> rows =
          question.visiblePairs().stream()
              .map(row -> row.stream().mapToLong(Long::longValue).toArray())
              .toList();
      List<Integer> ranges = facts.stream().map(each -> Math.toIntExact(each.ranges())).toList();
      problem = problem.withRankVisibility(RankVisibility.of(rows, ranges));
    }
    CallFacts first = facts.getFirst();
    return first.common().hasBias()
        ? problem.withBias(first.bias().shape(question.sizes().dtype()))
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
      known =
          emulation.hasLinks()
              ? new Topology(
                  ranksPerNode, emulation.intra(), emulation.inter(), emulation.isSharedInter())
              : Calibration.topology(group, ranksPerNode, emulation.isSharedInter());
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
}
