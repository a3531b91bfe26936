"""Make a model that exists physically smaller and measurably faster: prune, decompose, quantise, distil."""
