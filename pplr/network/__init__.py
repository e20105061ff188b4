"""The network: backbone and BNNecks, their weights in and out, features of images."""
