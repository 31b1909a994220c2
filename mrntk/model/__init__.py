"""The reprogrammed model f_T = b o f_S o a: input maps a, output maps b, and the model that joins them to a source."""
