"""Train, export and measure small residual networks on CIFAR-10-sized images."""
