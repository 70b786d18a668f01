/*
 * main.c - the program damage; damage.h describes it.
 */
#include "damage.h"

static const struct part parts[] = {
    { "blows", begin_blows },
    { "ipcrm", test_ipcrm },
    { "versions", test_versions },
    { "squatters", test_squatters },
    { "limits", test_limits },
    { "elsewhere", test_elsewhere },
    { "worlds", test_worlds },
    { "abandoned", test_abandoned },
    { "sweep", test_sweep },
    { "blows", end_blows },
    { NULL, NULL }
};

static void all_damage (void)
{
    if (has_world ("damage"))
        run_all_parts (parts);
}

int main (int argc, char **argv)
{
    const struct program program = { "damage", parts, all_damage, 180, 1200 };

    return run_program (&program, argc, argv);
}
