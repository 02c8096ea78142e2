"""What a figure shows: its texts, lines and points."""

import numpy as np


def texts(figure):
    """Every text of a figure that holds letters, tick labels included, on one line each."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    found = [one.get_text() for one in figure.findobj(Text) if one.get_visible()]
    return [" ".join(text.split()) for text in found if text.strip()]


def text(figure):
    return " | ".join(texts(figure))


def labels(figure):
    """Names in the legend."""
    return [one.get_text() for legend in figure.legends for one in legend.get_texts()]


def horizontal(axes):
    """Heights of the lines that run all across the axes."""
    return [float(line.get_ydata()[0]) for line in axes.lines if list(line.get_xdata()) == [0, 1]]


def vertical(axes):
    return [float(line.get_xdata()[0]) for line in axes.lines if list(line.get_ydata()) == [0, 1]]


def named_line(axes, label):
    """x and y of the line with a label."""
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def dots(axes):
    """Values of the single dots, from top to bottom."""
    found = [line for line in axes.lines if len(line.get_xdata()) == 1]
    return [float(line.get_xdata()[0]) for line in sorted(found, key=lambda line: line.get_ydata()[0])]


def intervals(axes):
    """Ends of the horizontal intervals, from top to bottom."""
    level = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_ydata()[0] == line.get_ydata()[1]]
    inside = [line for line in level if list(line.get_xdata()) != [0, 1]]
    return [tuple(map(float, line.get_xdata())) for line in sorted(inside, key=lambda line: line.get_ydata()[0])]


def sticking_out(figure):
    """How far what is drawn sticks out of the figure, in inches; 0 where all is inside."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    return max(-box.x0, box.x1 - width, -box.y0, box.y1 - height, 0.0)
