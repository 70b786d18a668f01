// QSharedMemory: a file in the directory for temporary files provides the segment's key.

#include "bench.h"
#include "ways.h"

#include <QSharedMemory>
#include <QString>

static QString name, held_name;
static QSharedMemory *held;

static void check (bool good, const QSharedMemory &memory)
{
    if (!good) {
        fprintf (stderr, "QSharedMemory: %s\n", qPrintable (memory.errorString ()));
        exit (EXIT_FAILURE);
    }
}

static void begin_qt (const char *)
{
    name = QString ("bench-qt-%1").arg (getpid ());
    held_name = name + "-held";
}

static void create (long size)
{
    QSharedMemory memory (name);

    check (memory.create (int (size)), memory);
    check (memory.detach (), memory);
}

static void release ()
{
    delete held;
    held = nullptr;
}

static void hold (long size)
{
    held = new QSharedMemory (held_name);
    check (held->create (int (size)), *held);
    memset (held->data (), 1, size);
}

static void attach ()
{
    QSharedMemory memory (held_name);

    check (memory.attach (), memory);
    check (memory.detach (), memory);
}

extern "C" {
extern const struct way way_qt = {"QSharedMemory", begin_qt, create, hold, release, attach};
}
