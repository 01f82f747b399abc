"""Train, export and measure small residual networks on CIFAR-10-sized images."""

IMAGE_SHAPE = (32, 32, 3)  # height, width, RGB
