#!/usr/bin/env python3
"""Writes docs/performance.md and its plots from the samples of the benchmarks.

    bench/report.py SAMPLES DISK TMPFS [SECTION]

SAMPLES is the directory with the files of samples, see FILES. DISK and TMPFS are the directories
of the snapshots: the page names their file systems. With SECTION, the title of one, only that
section of the page is rewritten, and nothing is plotted. Without matplotlib the tables are
written, and the plots remain as they are.
"""

import os
import platform
import re
import subprocess
import sys
from collections import defaultdict
from statistics import median

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(TOP, "docs", "performance.md")
PLOTS = os.path.join(TOP, "docs", "performance")

FILES = ["calls", "scale", "first_use", "snapshots", "directories_tmpfs", "directories_disk",
         "directories_durable"]
SIZES = ["4 KiB", "16 KiB", "1 MiB", "64 MiB"]
WAYS = ["library", "raw, by key", "raw POSIX", "Boost object", "APR", "Boost managed",
        "QSharedMemory", "libgpl's method"]
ACCESSORS = ["shmAddress", "shmId", "shmSizeOf"]
NAMES = ["1 name", "100 names", "4000 names"]
WORKERS = [1, 2, 4, 8, 16]
KINDS = ["processes", "threads"]
SINGULAR = {"processes": "process", "threads": "thread"}
LOADS = ["create, own names", "attach, one name"]
FILE_SIZES = ["64 KiB", "16 MiB", "1 GiB"]
PLACES = ["tmpfs", "disk"]
SEGMENT_SIZES = ["4 KiB", "64 KiB", "16 MiB"]
FILE_WAYS = ["library", "raw, last look", "plain file", "System V", "private:", "Boost managed",
             "APR", "LMDB"]


# ---- samples -----------------------------------------------------------------------------

class Samples:
    """case -> way -> round -> value"""

    def __init__(self, directory):
        self.cases = defaultdict(lambda: defaultdict(dict))
        for name in FILES:
            path = os.path.join(directory, name + ".tsv")
            if not os.path.exists(path):
                continue
            with open(path, encoding="utf-8") as lines:
                for line in lines:
                    case, way, number, value = line.rstrip("\n").split("\t")
                    self.cases[case][way][int(number)] = float(value)

    def values(self, case, way):
        return self.cases.get(case, {}).get(way, {})

    def median(self, case, way):
        values = self.values(case, way).values()
        return median(values) if values else None

    def ratios(self, over, under):
        """The ratios of two (case, way), for the rounds that both have."""
        over, under = self.values(*over), self.values(*under)
        return [over[number] / under[number] for number in over if number in under]


def spread(values, digits=2):
    """The median (minimum to maximum), as text."""
    if not values:
        return "-"
    return (f"{median(values):.{digits}f} "
            f"({min(values):.{digits}f} to {max(values):.{digits}f})")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


# ---- targets -----------------------------------------------------------------------------

def targets(samples):
    """(what, sign, target, values): sign is '<=' or '>='"""
    for operation, limit in [("create", 1.10), ("attach", 1.15)]:
        for size in SIZES:
            case = f"{operation}, {size}"
            yield (f"{case}: times raw", "<=", limit,
                   samples.ratios((case, "library"), (case, "raw")))
    for name in ACCESSORS:
        yield (f"{name}: ns", "<=", 5.0, list(samples.values("accessors", name).values()))
        yield (f"{name}: times a plain function", "<=", 2.0,
               samples.ratios(("accessors", name), ("accessors", "plain function")))
    for operation in ["create", "attach"]:
        last, first = f"{operation}, 4000 names", f"{operation}, 1 name"
        yield (f"{operation}: 4000 names, times 1 name", "<=", 1.15,
               samples.ratios((last, "library"), (first, "library")))
    case = "fork, 4000 handles"
    yield (f"{case}: times raw", "<=", 1.05, samples.ratios((case, "library"), (case, "raw")))
    for threads in [2, 4]:
        for name in ACCESSORS:
            yield (f"{name}, {threads} threads: growth, times a plain function's", ">=", 0.9,
                   thread_growth(samples, name, threads))
    yield from snapshot_targets(samples)


def thread_growth(samples, name, threads):
    """The growth of throughput with threads, relative to that of a plain function."""
    def case(count):
        return f"accessors, {count} threads (calls/s)"

    def growth(way):
        many, one = samples.values(case(threads), way), samples.values(case(1), way)
        return {number: many[number] / one[number] for number in many if number in one}

    ours, plain = growth(name), growth("plain function")
    return [ours[number] / plain[number] for number in ours if number in plain]


def snapshot_targets(samples):
    def target(case, other, limit):
        ours = "shmLoad" if case.startswith("load") else "shmSave"
        return (f"{case}: speed, times {other}", ">=", limit,
                samples.ratios((case, other), (case, ours)))

    places = ["disk", "tmpfs"]
    for place in places:
        for size in FILE_SIZES[1:]:
            yield target(f"load, fresh, {place}, {size}", "fread", 1.5)
    for place in places:
        yield target(f"load, populated, {place}, 1 GiB", "fread", 1.15)
    for state in ["fresh", "populated"]:
        for place in places:
            yield target(f"load, {state}, {place}, 64 KiB", "fread", 1.0)
    yield target("save, durable, disk, 1 GiB", "fwrite", 1.2)
    for size in FILE_SIZES[1:]:
        yield target(f"save, unsynced, disk, {size}", "fwrite", 1.1)
    for size in FILE_SIZES:
        yield target(f"save, tmpfs, {size}", "fwrite", 0.95)
    for place in places:
        yield target(f"load, 90% zero, fresh, {place}, 1 GiB", "fread", 3.0)
    for place in ["unsynced, disk", "tmpfs"]:
        yield target(f"save, 90% zero, {place}, 1 GiB", "fwrite", 3.0)
    for size in FILE_SIZES[1:]:
        for case in ["load, fresh, disk", "load, fresh, tmpfs", "save, unsynced, disk",
                     "save, tmpfs"]:
            yield target(f"{case}, {size}", "cp", 1.1)


def is_met(sign, limit, values):
    return median(values) <= limit if sign == "<=" else median(values) >= limit


def target_table(wanted):
    rows, met, missed = [], 0, 0
    for what, sign, limit, values in wanted:
        if not values:
            verdict = "not measured"
        elif is_met(sign, limit, values):
            verdict, met = "met", met + 1
        else:
            verdict, missed = "**missed**", missed + 1
        bound = ("at most" if sign == "<=" else "at least") + f" {limit:.2f}"
        # Three digits, so that a near miss does not look like a target that is met.
        rows.append([what, bound, spread(values, 3), str(len(values)), verdict])
    return (f"{met} met, {missed} missed.\n\n"
            + table(["what", "target", "measured", "rounds", ""], rows))


# ---- the other tables -----------------------------------------------------------------------

def calls(samples):
    parts = []
    for operation in ["create", "attach"]:
        rows = []
        for way in ["raw"] + WAYS:
            cells = []
            for size in SIZES:
                case = f"{operation}, {size}"
                if way == "raw":
                    value = samples.median(case, way)
                    cells.append("-" if value is None else f"{value / 1000:.2f} µs")
                else:
                    cells.append(spread(samples.ratios((case, way), (case, "raw"))))
            if any(cell != "-" for cell in cells):
                rows.append([way] + cells)
        title = "create and destroy" if operation == "create" else "attach and destroy"
        parts.append(table([title] + SIZES, rows))
    return "\n\n".join(parts)


def accessors(samples):
    rows = []
    for name in ACCESSORS + ["plain function"]:
        values = list(samples.values("accessors", name).values())
        ratios = samples.ratios(("accessors", name), ("accessors", "plain function"))
        rows.append([name, spread(values, 1), spread(ratios)])
    return table(["accessors", "ns", "times a plain function of a shared library"], rows)


def names(samples):
    rows = []
    for operation in ["create", "attach"]:
        for count in NAMES:
            case, first = f"{operation}, {count}", f"{operation}, 1 name"
            rows.append([case] + [
                spread(samples.ratios((case, "library"), (case, "raw"))),
                spread(samples.ratios((case, "library"), (first, "library"))),
                spread(samples.ratios((case, "raw"), (first, "raw")))])
    return table(["", "library, times raw", "library, times 1 name", "raw, times 1 name"], rows)


def fork(samples):
    case = "fork, 4000 handles"
    rows = []
    for way in ["nothing mapped", "raw", "library"]:
        value = samples.median(case, way)
        rows.append([way, "-" if value is None else f"{value / 1000:.0f} µs",
                     spread(samples.ratios((case, way), (case, "raw")))])
    return table(["", "fork", "times raw"], rows)


def thousands(value, unit=1e3, digits=0):
    return "-" if value is None else f"{value / unit:.{digits}f}"


def counted(count, kind):
    return f"1 {SINGULAR[kind]}" if count == 1 else f"{count} {kind}"


def workers(samples):
    rows = []
    for load in LOADS:
        for kind in KINDS:
            for count in WORKERS:
                case = f"{load}, {count} {kind} (calls/s)"
                rows.append([f"{load}, {counted(count, kind)}",
                             thousands(samples.median(case, "library")),
                             thousands(samples.median(case, "raw")),
                             spread(samples.ratios((case, "library"), (case, "raw")))])
    return table(["", "library", "raw", "library, times raw"], rows)


def threads(samples):
    rows = []
    for count in [1, 2, 4]:
        case = f"accessors, {count} threads (calls/s)"
        rows.append([counted(count, "threads")] + [thousands(samples.median(case, way), 1e6)
                                                   for way in ACCESSORS + ["plain function"]])
    return table([""] + ACCESSORS + ["plain function"], rows)


def first_use(samples):
    cases = [("exec to first segment, {}, no names yet", 1000, "µs"),
             ("exec to first segment, {}, other names", 1000, "µs"),
             ("memory, private, {} (KiB)", 1, "KiB"),
             ("memory, proportional, {} (KiB)", 1, "KiB"),
             ("memory, resident, {} (KiB)", 1, "KiB")]
    rows = []
    for linked in ["shared", "-static"]:
        for form, unit, _ in cases:
            case = form.format(linked)
            if case not in samples.cases:
                continue
            row = [case.replace(" (KiB)", ""), thousands(samples.median(case, "raw"), unit)]
            for way in ["library", "library, itself static"]:
                value = samples.median(case, way)
                row.append("-" if value is None else thousands(value, unit) + ", "
                           + spread(samples.ratios((case, way), (case, "raw"))))
            rows.append(row)
    return table(["", "raw", "library, and times raw", "libshm_util.a, and times raw"], rows)


# ---- directory namespaces ----------------------------------------------------------------------

def ratios_in(samples, place, what, over="library", under="raw"):
    case = f"directory, {what}, {place}"
    return samples.ratios((case, over), (case, under))


def directory_targets(samples):
    for place in PLACES:
        for size in SEGMENT_SIZES:
            yield (f"attach, {place}, {size}: times raw", "<=", 1.10,
                   ratios_in(samples, place, f"attach, {size}"))
    for place in PLACES + ["disk, durable"]:
        for size in SEGMENT_SIZES:
            yield (f"create, {place}, {size}: times raw", "<=", 1.10,
                   ratios_in(samples, place, f"create, {size}"))
    for place in PLACES:
        for what in ["memcpy in, 64 MiB", "memcpy out, 64 MiB", "first touch of a page"]:
            yield (f"{what}, {place}: time, times a plain file's", "<=", 1.05,
                   ratios_in(samples, place, what, under="plain file"))
    for place in PLACES:
        yield (f"descriptors of 1000 attachments, {place}", "<=", 0,
               list(samples.values(f"directory, descriptors of 1000 attachments, {place}",
                                   "library").values()))


def directory_calls(samples):
    parts = []
    for place in PLACES + ["disk, durable"]:
        columns = [(operation, size) for operation in ["attach", "create"]
                   for size in SEGMENT_SIZES
                   if f"directory, {operation}, {size}, {place}" in samples.cases]
        rows = []
        for way in ["raw"] + FILE_WAYS:
            cells = []
            for operation, size in columns:
                what = f"{operation}, {size}"
                value = samples.median(f"directory, {what}, {place}", way)
                if value is None:
                    cells.append("-")
                elif way == "raw":
                    cells.append(f"{value / 1000:.1f} µs")
                else:
                    cells.append(spread(ratios_in(samples, place, what, over=way)))
            if any(cell != "-" for cell in cells):
                rows.append([way] + cells)
        parts.append(table([place] + [", ".join(column) for column in columns], rows))
    return "\n\n".join(parts)


def directory_scale(samples):
    rows = []
    for place in PLACES:
        for count in WORKERS:
            what = f"attach one name, {count} (calls/s)"
            case = f"directory, {what}, {place}"
            rows.append([f"{place}, {counted(count, 'processes')}",
                         thousands(samples.median(case, "library")),
                         thousands(samples.median(case, "raw")),
                         spread(ratios_in(samples, place, what)),
                         spread(ratios_in(samples, place, what, under="raw, last look"))])
    return table(["", "library", "raw", "library, times raw", "times raw, last look"], rows)


def directory_names(samples):
    rows = []
    for place in PLACES:
        case = f"directory, list, 4000 names, {place}"
        many, one = (f"directory, attach, {names}, {place}" for names in ["4000 names", "1 name"])
        listed = [samples.median(case, way) for way in ["library", "raw"]]
        rows.append([place] + [spread(samples.ratios((many, way), (one, way)))
                               for way in ["library", "raw"]]
                    + [thousands(value, 1e6, 1) + " ms" for value in listed])
    return table(["", "attach, library: 4000 names, times 1 name", "raw", "list, library",
                  "list, raw"], rows)


def directory_data(samples):
    rows = []
    for place in PLACES:
        for what, unit, text in [("memcpy in, 64 MiB", 1e6, "ms"),
                                 ("memcpy out, 64 MiB", 1e6, "ms"),
                                 ("first touch of a page", 1e3, "µs")]:
            value = samples.median(f"directory, {what}, {place}", "library")
            rows.append([f"{what}, {place}", f"{thousands(value, unit, 2)} {text}",
                         spread(ratios_in(samples, place, what, under="plain file")), "-"])
        for what in ["save, 16 MiB", "load, 16 MiB"]:
            value = samples.median(f"directory, {what}, {place}", "library")
            rows.append([f"{what}, {place}", f"{thousands(value, 1e6, 2)} ms", "-",
                         spread(ratios_in(samples, place, what, under="System V"))])
    return table(["", "library", "time, times a plain file's", "times System V's"], rows)


def directory_memory(samples):
    rows = []
    for way in ["library", "System V", "plain file"]:
        cells = []
        for what in ["memory of an attachment (bytes)", "descriptors of 1000 attachments"]:
            value = samples.median(f"directory, {what}, tmpfs", way)
            cells.append("-" if value is None else f"{value:.0f}")
        rows.append([way] + cells)
    return table(["", "bytes for an attachment", "descriptors for 1,000 attachments"], rows)


def directory_load(samples):
    loads = [samples.median(f"directory, load average, {place}", "machine")
             for place in PLACES + ["disk, durable"]]
    return ("When the three parts of this run ended, the load average was "
            + ", ".join("-" if load is None else f"{load:.1f}" for load in loads)
            + f" on {os.cpu_count()} processors; the benchmark itself accounts for 1.")


# ---- snapshots ---------------------------------------------------------------------------------

def snapshot_cases(samples):
    return [case for case in samples.cases if re.match("(load|save),", case)]


def snapshots(samples):
    rows = []
    for case in snapshot_cases(samples):
        plain, ours = ("fread", "shmLoad") if case.startswith("load") else ("fwrite", "shmSave")
        value = samples.median(case, ours)
        rows.append([case, f"{value / 1e6:.3f} ms",
                     spread(samples.ratios((case, plain), (case, ours))),
                     spread(samples.ratios((case, "cp"), (case, ours))),
                     str(len(samples.values(case, ours)))])
    return table(["", "library", "times fwrite, fread", "times cp", "rounds"], rows)


# ---- the machine -----------------------------------------------------------------------------

def file_system(path):
    run = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True,
                         check=False)
    return {"ext2/ext3": "ext4"}.get(run.stdout.strip(), run.stdout.strip() or "unknown")


def machine(disk, tmpfs):
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = re.match(r"[0-9.]*[0-9]", platform.release()).group()
    libc = " ".join(platform.libc_ver())
    return (f"This run: {model}, {os.cpu_count()} cores, {memory:.0f} GiB of memory, "
            f"Linux {kernel}, {libc};\n\"disk\" is {file_system(disk)}, "
            f"\"tmpfs\" is {file_system(tmpfs)}.")


def left_out(directory):
    path = os.path.join(directory, "left_out")
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as lines:
        titles = [line.strip() for line in lines if line.strip()]
    if not titles:
        return "All libraries that this page compares with were installed."
    return "Left out, because not installed here: " + ", ".join(titles) + "."


# ---- plots -------------------------------------------------------------------------------------

OURS, RAW, OTHER = "#0b6fb8", "#8a8a8a", "#c9702b"


def prepare(matplotlib):
    matplotlib.use("svg")
    matplotlib.rcParams.update({
        "svg.hashsalt": "shm_util", "svg.fonttype": "path", "font.size": 9,
        "font.family": "DejaVu Sans", "axes.spines.top": False, "axes.spines.right": False,
        "axes.titlesize": 10, "axes.titlelocation": "left", "axes.edgecolor": "#999999",
        "axes.grid": True, "grid.color": "#e6e6e6", "axes.axisbelow": True,
        "legend.frameon": False, "figure.facecolor": "white", "savefig.facecolor": "white",
    })


def save(plt, figure, name):
    figure.tight_layout()
    figure.savefig(os.path.join(PLOTS, name + ".svg"), metadata={"Date": None})
    plt.close(figure)


def from_zero(axes):
    """For panels that share an axis: its end is known only when all are drawn."""
    axes[0].set_ylim(0, max(axis.dataLim.y1 for axis in axes) * 1.08)


def plot_calls(plt, samples):
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.9), sharey=True)
    ways = [way for way in WAYS if samples.values("attach, 16 KiB", way)][::-1]
    for axis, operation in zip(axes, ["create", "attach"]):
        for row, way in enumerate(ways):
            values = []
            for size in SIZES:
                case = f"{operation}, {size}"
                ratios = samples.ratios((case, way), (case, "raw"))
                if ratios:
                    values.append(median(ratios))
            if not values:
                continue
            color = OURS if way == "library" else OTHER
            axis.plot(values, [row] * len(values), "o", color=color, alpha=0.55, markersize=5)
            axis.annotate(f"{median(values):.3g}", (max(values), row), (6, 0), va="center",
                          textcoords="offset points", fontsize=8, color=color)
        axis.axvline(1, color=RAW, linewidth=1.2)
        axis.set_xscale("log")
        axis.set_xlim(0.9, 250)
        axis.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_yticks(range(len(ways)), ways)
        axis.set_ylim(-0.6, len(ways) - 0.4)
        axis.grid(axis="y", visible=False)
        axis.set_title(f"{operation} + destroy")
        axis.set_xlabel("times the raw System V calls; a dot for each size")
    save(plt, figure, "calls")


def plot_names(plt, samples):
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.5), sharey=True)
    for axis, operation in zip(axes, ["create", "attach"]):
        for way, color in [("raw", RAW), ("library", OURS)]:
            values = [samples.median(f"{operation}, {count}", way) for count in NAMES]
            if None in values:
                continue
            values = [value / 1000 for value in values]
            axis.plot(range(3), values, "o-", color=color)
            axis.annotate(way, (2, values[-1]), (7, 0), textcoords="offset points",
                          va="center", color=color)
        axis.set_xticks(range(3), ["1", "100", "4000"])
        axis.set_xlim(-0.2, 2.6)
        axis.set_title(f"{operation} + destroy")
        axis.set_xlabel("live names")
    axes[0].set_ylabel("µs")
    from_zero(axes)
    save(plt, figure, "names")


def plot_workers(plt, samples):
    figure, axes = plt.subplots(1, 4, figsize=(9, 2.5), sharey=True)
    panels = [(load, kind) for load in LOADS for kind in KINDS]
    for axis, (load, kind) in zip(axes, panels):
        for way, color in [("raw", RAW), ("library", OURS)]:
            values = [samples.median(f"{load}, {count} {kind} (calls/s)", way)
                      for count in WORKERS]
            if None not in values:
                axis.plot(range(5), [value / 1000 for value in values], "o-", color=color,
                          label=way, markersize=4)
        axis.set_xticks(range(5), [str(count) for count in WORKERS])
        axis.set_title(load, fontsize=9)
        axis.set_xlabel(kind)
    axes[0].set_ylabel("thousand calls/s")
    from_zero(axes)
    axes[0].legend(loc="lower right", fontsize=8)
    save(plt, figure, "workers")


def plot_snapshots(plt, samples):
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
    rows = []
    for what, _, limit, values in snapshot_targets(samples):
        if values:
            rows.append((what.replace(": speed, times", ", over"), limit, median(values)))
    if not rows:
        return
    rows.reverse()
    figure, axis = plt.subplots(figsize=(8, 0.2 * len(rows) + 1))
    for row, (_, limit, value) in enumerate(rows):
        met = value >= limit
        axis.plot([1, value], [row, row], "-", color=OURS if met else OTHER, linewidth=1.5)
        axis.plot(value, row, "o", color=OURS if met else OTHER, markersize=5)
        axis.plot(limit, row, "|", color="black", markersize=9, zorder=4)
    axis.axvline(1, color=RAW, linewidth=1)
    axis.set_xscale("log")
    most = max(max(value, limit) for _, limit, value in rows)
    least = min(min(value, limit) for _, limit, value in rows)
    axis.set_xlim(least * 0.9, most * 1.15)
    axis.xaxis.set_major_locator(FixedLocator([0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=8)
    axis.set_ylim(-0.7, len(rows) - 0.3)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("speed, times the other way; blue where it meets the target, the black mark")
    save(plt, figure, "snapshots")


def plots(samples):
    try:
        import matplotlib
    except ImportError:
        print("report: matplotlib is not installed (make bench-deps): no plots were drawn",
              file=sys.stderr)
        return
    prepare(matplotlib)
    from matplotlib import pyplot
    os.makedirs(PLOTS, exist_ok=True)
    for plot in [plot_calls, plot_names, plot_workers, plot_snapshots]:
        plot(pyplot, samples)


# ---- all of it -----------------------------------------------------------------------------------

def section(text, title):
    """The start and the end of a section of a page."""
    found = re.search(rf"^## {re.escape(title)}$.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        sys.exit(f"report: there is no section '{title}'")
    return found.span()


def replace_section(text, title):
    """The page as it is, with this section of the new text."""
    with open(PAGE, encoding="utf-8") as old:
        page = old.read()
    start, end = section(page, title)
    new_start, new_end = section(text, title)
    return page[:start] + text[new_start:new_end] + page[end:]


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    directory, disk, tmpfs = sys.argv[1:4]
    samples = Samples(directory)
    parts = {
        "machine": machine(disk, tmpfs), "left_out": left_out(directory),
        "targets": target_table(targets(samples)), "calls": calls(samples),
        "accessors": accessors(samples), "names": names(samples), "fork": fork(samples),
        "workers": workers(samples), "threads": threads(samples),
        "first_use": first_use(samples), "snapshots": snapshots(samples),
        "directory_targets": target_table(directory_targets(samples)),
        "directory_calls": directory_calls(samples),
        "directory_scale": directory_scale(samples), "directory_names": directory_names(samples),
        "directory_data": directory_data(samples), "directory_memory": directory_memory(samples),
        "directory_load": directory_load(samples),
    }
    with open(os.path.join(TOP, "bench", "performance.md.in"), encoding="utf-8") as template:
        text = template.read()
    text = re.sub(r"^@(\w+)@$", lambda match: parts[match.group(1)], text, flags=re.MULTILINE)
    if len(sys.argv) == 5:
        text = replace_section(text, sys.argv[4])
    with open(PAGE, "w", encoding="utf-8") as page:
        page.write(text)
    if len(sys.argv) == 4:
        plots(samples)


if __name__ == "__main__":
    main()
