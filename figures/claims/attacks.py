"""What independent readings of the verdicts, from data and rules alone, attacked, and what came of it.

The first was done when the depth sweep, the map of regimes and the few-shot comparison had their new data; the second, of the
verdicts on sources, architectures, time series and the gap, when these had theirs.
"""

FOUND = (  # (what was found, what came of it)
    (
        'Of its functionals, the smallest eigenvalue: after 100 linearised steps "the best other functional" was the '
        "loss predicted for step 100, which is the outcome itself.",
        "Mended in the rule, after the data: it is no longer among the others there.",
    ),
    (
        "A verdict could hang on a single part that is itself fragile.",
        'Verdicts now say "fragile" if they would be others without their fragile parts.',
    ),
    (
        'The regime "lambda_min is positive" leaves out what contradicts: behind trained DNN a prompt\'s lambda_min is 0 '
        "though there are fewer outputs than entries, and the losses of these sources differ.",
        "The rule stays (0 cannot be ranked); the paragraph on the smallest eigenvalue says it.",
    ),
    (
        "Families were pooled under one slope: lambda_min / lambda_max explains real training behind DNN, and not "
        "behind CNN.",
        "The rule stays; the paragraphs give both families apart.",
    ),
    (
        "Half of the FC trainings behind DNN have learned all their examples by step 300.",
        "Such losses are floored, not left out; the paragraph on the spectrum says it, and rests on step 100.",
    ),
    (
        "Cross-entropy: where the slope under the squared loss may be 0, a clear slope under cross-entropy counts as "
        '"not testable".',
        "The rule stays; the paragraph on depth says that the tendency reverses.",
    ),
    (
        "With VP, DNN: slopes of pairs of tasks have opposite signs, so that their mean describes none.",
        'Pairs that are alike and unlike stand apart in the paragraph; "fragile" had marked it.',
    ),
    (
        "The threshold of 0.8 decides for linear sources on Fashion-MNIST (0.79): with 0.75 or 0.85 four parts of FC "
        'would hold instead of two, and with 0.75 VP+FC would be "not reproduced".',
        "The rule stays as it was committed. The step away from a linear source matters most, in or out.",
    ),
    (
        "Trainings whose loss is not below the constant predictor's are left out, by their outcome.",
        "The rule stays: such a loss says that nothing was learned, and its size means nothing. Parts name what was "
        "left out.",
    ),
    (
        "Shares for a seed left out are not independent between seeds, since each fit uses the others.",
        "Their intervals are approximate; no part that holds is near its limit.",
    ),
    (
        "Source inputs of 84 pixels: 95 % of the first layer's units gave 0 for every image of the source's own task, 99 % for "
        "every target image; a prompt could do nothing through the rest. The rate was that of 28 pixels.",
        "The experiment was wrong: it is done again with rates in inverse proportion to the number of pixels, and the share of "
        "silent units stands in its data.",
    ),
    (
        "Parts with three depths (VGG and ResNet, frozen features) could not be found fragile: without one depth the rule left "
        "them untestable.",
        "Mended in the rule, after the data: where a depth is left out, two are enough.",
    ),
    (
        "Time series: the paragraph averaged over a task (trace) whose training with a layer had not ended, and so contradicted "
        "its verdict; the same task alone puts the speech network's prompt ahead of the linear model.",
        "The paragraph keeps to the tasks that the rule keeps, and gives trace apart.",
    ),
    (
        "The gap with a prompt was averaged over pairs of tasks that behave differently; where tasks are not alike the training "
        "loss does not fall, so that nothing is tested.",
        "The paragraph gives both apart. The rule stays, and its part for VP holds partly for that reason.",
    ),
    (
        "Better source, better target: behind CNN a prompt to Fashion-MNIST learns nothing (0.11 to 0.19), and the rule does not "
        "ask for a loss below the constant predictor's. With that condition 14 parts would hold and 1 be undecided, instead of "
        "11 and 4.",
        "The rule stays, since the condition would choose by the outcome, in the paper's favour. The paragraph gives targets "
        "apart, says where nothing is learned, and names no reason any more: weak sources also differ in starting loss and "
        "scale.",
    ),
    (
        'VGG and ResNet: "depth helps a prompt where it makes the source better" did not follow from three depths; ResNet\'s '
        "sources all lie above 0.9 and could not test it.",
        "The sentence is gone; both targets are given, and what is not shown is called so.",
    ),
    (
        "Frozen features: slopes of the target are known to 3 or 4 points per layer only, and all heads know their training "
        'images by heart, so "no" said too much.',
        "The paragraph says undecided, and that the heads overfit.",
    ),
    (
        "Few examples: with five seeds a prompt is clearly ahead of FC alone; and the prompt between tasks that are not alike "
        "does badly by cross-entropy (0.18) where the depth sweep by the squared loss has 0.47.",
        "Both stand in the paragraph. A frame without training was not computed.",
    ),
    (
        "Cross-entropy turns depth's tendency round, but sources are trained by it as well, and theirs gets worse with depth.",
        "The paragraph says so.",
    ),
    (
        "Assumption 3: the share of inputs that satisfy it averages over a grid of feature counts, so its interval has no width.",
        "The rule stays; with trivial cases counted as true the verdict would be the same.",
    ),
    (
        "Not broken: lambda_min[K_S] rises, also relative to the mean; FC's test loss falls behind DNN, in all pairs "
        "and without depth 1; its gap shrinks; the tendency reverses under cross-entropy; FC's training loss at the end "
        "says nothing.",
        "-",
    ),
)


def attacks() -> str:
    """The findings and answers as a Markdown table."""
    rows = [f"| {found} | {answer} |" for found, answer in FOUND]
    return "\n".join(["| what was found | what came of it |", "|---|---|", *rows])
