"""What every control is called on the page, and what it means, in the words of the course's glossary."""

LABELS = {"source": "frozen source", "task": "target task", "input_map": "what is trained"}  # others as in a notebook
HELP = {
    "source": "The source model was trained for something else; it stays frozen.",
    "depth": "Of a DNN, the number of its linear layers; of a CNN, that of its convolutions.",
    "task": "The target task is what the source should do now; as a rule the source has never seen it.",
    "examples": "How many labelled target examples there are to learn from.",
    "input_map": "The input transformation stands in front of the source, and is all that is trained.",
    "frame": "The width of a prompt's frame; the wider it is, the smaller the image inside.",
    "mask": "The places of the prompt that are trained; the others stay as they are.",
    "mapping": "Which source class, or mixture of them, stands for which target class.",
    "loss": "What training makes small: the squared distance to the right answer, or the surprise at it (cross-entropy).",
    "fraction": "The step size as a share of the stability limit, above which the predicted loss grows.",
    "seed": "Another seed draws other examples and other random starting values.",
}
